/** Bytes that are not what they should be, or a value that its schema does not allow. */
export class CodecError extends Error {
  override readonly name = 'CodecError';
}
