/** The history's file cannot be read as what was written. It holds nothing that the log does not: it is thrown away and built anew. */
export class HistoryDamaged extends Error {
  override readonly name = 'HistoryDamaged';
}
