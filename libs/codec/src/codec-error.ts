/** Bytes that are not what they should be, or a value that its schema does not allow. */
export class CodecError extends Error {
  override readonly name = 'CodecError';
}

/** A writer's schema is one, and its values cannot be told as today's type: it is of a build that may change what this one may not. */
export class SchemaNotResolved extends CodecError {}
