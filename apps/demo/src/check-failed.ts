/** The tables of NVEs differ from those of the NVA, or from the figure. */
export class CheckFailed extends Error {
  override readonly name = 'CheckFailed';
}
