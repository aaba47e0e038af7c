// The admin page's handler with an outbox of its own, asked as a browser asks: with cookie, origin and token.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { URLSearchParams } from 'node:url'

import { root } from '../support/outbox.mjs'

export const { adminRoute } = createRequire(import.meta.url)(join(root, 'dist', 'admin', 'index.js'))
export const ORIGIN = 'https://clinic.example'
export const BASE = '/admin/hl7'
export const EVERYTHING = ['view', 'retry', 'cancel', 'hold', 'release', 'resend', 'replace', 'purge', 'rectify', 'pause', 'reveal']
export const operator = { actor: 'operator', may: EVERYTHING }
export const of = (schoolId, actor = `nurse of ${schoolId}`) => ({ actor, may: EVERYTHING, tags: { schoolId } })

/** One browser: `access` is what the host says of its person, and may be changed in between. */
export class Browser {
  headers = {}
  #cookie
  #token

  constructor(route, access) {
    this.route = route
    this.access = access
  }

  request(path, { method = 'GET', headers = {}, body, query = '' } = {}) {
    const all = { host: new URL(ORIGIN).host, ...(this.#cookie === undefined ? {} : { cookie: this.#cookie }), ...this.headers, ...headers }
    const request = new Request(`${ORIGIN}${BASE}${path === '' ? '' : `/${path}`}${query}`, { method, headers: clean(all), ...(body === undefined ? {} : { body }) })
    request.access = this.access
    return this.route[method](request, { params: Promise.resolve(path === '' ? {} : { path: path.split('/').map(decodeURIComponent) }) })
  }

  async get(path, query = {}) {
    const response = await this.request(path, { query: `?${new URLSearchParams(query)}` })
    return this.#read(response)
  }

  async signIn() {
    const response = await this.request('api/session')
    this.#cookie = response.headers.get('set-cookie')?.split(';')[0]
    const session = await response.json()
    this.#token = session.token
    return session
  }

  /** A command as the page gives it; `headers` replace its own, undefined leaves one out. */
  async post(path, body, headers = {}) {
    if (this.#token === undefined) await this.signIn()
    const own = { 'content-type': 'application/json', 'origin': ORIGIN, 'sec-fetch-site': 'same-origin', 'x-hl7-outbox-token': this.#token }
    return this.#read(await this.request(path, { method: 'POST', headers: { ...own, ...headers }, body: typeof body === 'object' && !(body instanceof Uint8Array) ? JSON.stringify(body) : body }))
  }

  async #read(response) {
    assert.match(response.headers.get('cache-control') ?? '', /no-store/)
    return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) }
  }
}

const clean = (headers) => Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined))

/** A route over an outbox, where each request carries what the host knows of it. */
export function desk(outbox, options = {}) {
  const route = adminRoute({ outbox, authorize: (request) => request.access ?? null, ...options })
  return { route, browser: (access = operator) => new Browser(route, access) }
}

export const seen = (...messages) => messages.map(({ id, updatedAt }) => ({ id, updatedAt }))
