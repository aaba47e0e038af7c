import { codeOf, log } from './log'

/** What a visit may weigh; far above any real one. */
const BODY_BYTES_MAX = 64 * 1024

export class BadRequest extends Error {
  constructor(
    readonly status: number,
    readonly body: { error: string; fields?: { field: string; message: string }[] },
  ) {
    super(body.error)
  }
}

export async function readJson(request: Request): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let size = 0
  // Counted while it arrives: a Content-Length can lie, and a chunked body has none.
  const reader = request.body?.getReader()
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    size += part.value.byteLength
    if (size > BODY_BYTES_MAX) throw new BadRequest(413, { error: 'BODY_TOO_LARGE' })
    chunks.push(part.value)
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)))
  } catch {
    throw new BadRequest(400, { error: 'INVALID', fields: [{ field: 'body', message: 'is not JSON' }] })
  }
}

/**
 * Answers for a route that throws. Next would print the whole error, and a database error quotes the row it could not store:
 * the log gets the code alone.
 */
export async function answering(work: () => Promise<Response>): Promise<Response> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof BadRequest) return Response.json(error.body, { status: error.status })
    log('request failed', { code: codeOf(error) })
    return Response.json({ error: 'INTERNAL' }, { status: 500 })
  }
}

export function notFound(): Response {
  return Response.json({ error: 'NOT_FOUND' }, { status: 404 })
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
/** Asked before the database is: PostgreSQL answers a malformed uuid with an error, not with nothing. */
export const isUuid = (value: string): boolean => UUID.test(value)
