/** Bytes that are not valid, or a value that its schema does not allow. */
export class CodecError extends Error {
  override readonly name = 'CodecError';
}

/** The writer's schema is valid, but its values cannot be resolved to today's type: a build with an incompatible schema wrote them. */
export class SchemaNotResolved extends CodecError {}
