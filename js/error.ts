/**
 * The one error class of the package. It lives apart from the facade so that code which must not load the native addon
 * (the loader itself, the stub for edge runtimes) can throw it too.
 */
export class Hl7OutboxError extends Error {
  override readonly name = 'Hl7OutboxError'
  /** Stable, `ERR_…`; compare this and not the message. */
  readonly code: string
  /** What to do about it, if that is known. */
  readonly hint: string | null

  constructor(code: string, message: string, options: { hint?: string | null; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint ?? null
  }
}
