/**
 * Against forged forms: a command must come from a page of this origin (Origin, Sec-Fetch-Site) and bring the token that only
 * that page was told. The token is a random cookie and a header with the same value, so that every process of a cluster can
 * compare them and none keeps a session.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

import { Refusal } from './access.js'

const COOKIE = 'hl7-outbox-admin-token'
const HEADER = 'x-hl7-outbox-token'
const TOKEN = /^[A-Za-z0-9_-]{43}$/

export function cookieOf(request: Request, name: string): string | undefined {
  for (const part of (request.headers.get('cookie') ?? '').split(';')) {
    const at = part.indexOf('=')
    if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim()
  }
  return undefined
}

/** The token of this browser, and the header that gives it one if it has none. */
export function token(request: Request, base: string): { value: string; headers: Record<string, string> } {
  const known = cookieOf(request, COOKIE)
  if (known !== undefined && TOKEN.test(known)) return { value: known, headers: {} }
  const value = randomBytes(32).toString('base64url')
  const secure = isSecure(request) ? '; Secure' : ''
  return { value, headers: { 'set-cookie': `${COOKIE}=${value}; Path=${base === '' ? '/' : base.replaceAll(';', '%3B')}; HttpOnly; SameSite=Strict${secure}` } }
}

function isSecure(request: Request): boolean {
  return new URL(request.url).protocol === 'https:' || request.headers.get('x-forwarded-proto')?.split(',')[0]?.trim() === 'https'
}

export function same(one: string, other: string): boolean {
  const digest = (value: string): Buffer => createHash('sha256').update(value).digest()
  return timingSafeEqual(digest(one), digest(other))
}

/** Throws for whatever is not a command of the page itself. */
export function demandOwn(request: Request, origins: readonly string[] | undefined): void {
  const forged = new Refusal(403, 'FORGED', 'the command did not come from this page; load it again')
  const site = request.headers.get('sec-fetch-site')
  if (site !== null && site !== 'same-origin') throw forged
  const origin = request.headers.get('origin')
  if (origin === null || !isOwn(origin, request, origins)) throw forged
  const [cookie, header] = [cookieOf(request, COOKIE), request.headers.get(HEADER)]
  if (cookie === undefined || header === null || !TOKEN.test(cookie) || !same(cookie, header)) throw forged
}

/** A page elsewhere cannot choose any of these headers: Host is the browser's, and X-Forwarded-Host would need our leave. */
function isOwn(origin: string, request: Request, origins: readonly string[] | undefined): boolean {
  if (origins !== undefined) return origins.includes(origin)
  let host: string
  try {
    host = new URL(origin).host
  } catch {
    return false
  }
  const hosts = [request.headers.get('host'), request.headers.get('x-forwarded-host')?.split(',')[0]?.trim(), new URL(request.url).host]
  return hosts.some((each) => each?.toLowerCase() === host.toLowerCase())
}
