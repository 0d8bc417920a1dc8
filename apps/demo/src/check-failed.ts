/** The NVEs and the NVA do not agree, or not with the figure. */
export class CheckFailed extends Error {
  override readonly name = 'CheckFailed';
}
