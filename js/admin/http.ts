/** Answers: their headers, their errors, and what is read of a request. */
import { Hl7OutboxError } from '../facade/index.js'
import { Refusal } from './access.js'

/** No inline script or style, nothing from elsewhere, in nobody's frame. */
export const SECURITY: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
}
const UNKEPT = { 'cache-control': 'no-store' }
/** Largest message that a correction can bring, with room for its JSON. */
const BODY_BYTES_MAX = 4 << 20

export function json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(value), { status, headers: { ...SECURITY, ...UNKEPT, 'content-type': 'application/json; charset=utf-8', ...headers } })
}

export function html(text: string, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(text, { status, headers: { ...SECURITY, ...UNKEPT, 'content-type': 'text/html; charset=utf-8', ...headers } })
}

export function stream(body: ReadableStream<Uint8Array>): Response {
  // Some proxies gather an answer before they pass it on, unless told not to.
  return new Response(body, { headers: { ...SECURITY, 'cache-control': 'no-store, no-transform', 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' } })
}

const CALLERS_FAULT = new Set(['ERR_OPTION', 'ERR_CURSOR', 'ERR_MESSAGE_ID', 'ERR_STATE', 'ERR_IN_FLIGHT', 'OVERTAKEN', 'ERR_CHECK_FAILED'])

const STATUS: Readonly<Record<string, number>> = { ERR_QUERY_TIMEOUT: 503, ERR_STOPPED: 503, ERR_STORE_FAILED: 503, ERR_REFUSAL: 404, ERR_REFUSAL_CHANGED: 409 }

/** The outbox's own errors have a code and hold nothing of a patient; others are the host's to hear of, and go on to it. */
export function failure(error: unknown): Response {
  if (error instanceof Refusal) return json({ error: { code: error.code, message: error.message, hint: null } }, error.status, error.headers)
  if (error instanceof Hl7OutboxError) {
    const { code, message, hint, segment, field } = error as Hl7OutboxError & { segment?: string | null; field?: number | null }
    const status = STATUS[code] ?? (CALLERS_FAULT.has(code) ? 400 : 422)
    return json({ error: { code, message, hint, segment: segment ?? null, field: field ?? null } }, status)
  }
  throw error
}

export const malformed = (what: string): Refusal => new Refusal(400, 'MALFORMED', what)

/** The body as an object; refused before it is read if it says that it is too large, and while it is read if it is. */
export async function bodyOf(request: Request): Promise<Record<string, unknown>> {
  if (request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() !== 'application/json') {
    throw new Refusal(415, 'MALFORMED', 'a command is sent as application/json')
  }
  const tooLarge = new Refusal(413, 'TOO_LARGE', `a command has at most ${BODY_BYTES_MAX} bytes`)
  if (Number(request.headers.get('content-length') ?? 0) > BODY_BYTES_MAX) throw tooLarge
  const chunks: Uint8Array[] = []
  let bytes = 0
  if (request.body !== null) {
    const reader = request.body.getReader()
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const chunk = next.value as Uint8Array
      bytes += chunk.byteLength
      if (bytes > BODY_BYTES_MAX) {
        await reader.cancel()
        throw tooLarge
      }
      chunks.push(chunk)
    }
  }
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)))
  } catch {
    throw malformed('the command is not JSON in UTF-8')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('the command is not an object')
  return value as Record<string, unknown>
}

export function text(body: Record<string, unknown>, name: string): string {
  const value = body[name]
  if (typeof value !== 'string') throw malformed(`\`${name}\` must be a text`)
  return value
}

/** Absent and empty are the same: a field that was left empty. */
export function optionalText(body: Record<string, unknown>, name: string): string | undefined {
  const value = body[name]
  if (value === undefined || value === null || value === '') return undefined
  return text(body, name)
}
