/**
 * `hl7-outbox/admin`: the admin page as two functions from a Request to a Response, for a route of the application:
 *
 *     export const { GET, POST } = adminRoute({ authorize })
 *
 * `authorize` is the application's: who asks, what they may do, whose messages they see. Without it everything is denied.
 */
import { accessOf, denied, Refusal, type Access, type Authorize } from './access.js'
import { check, command, replace, steer, Turns } from './commands.js'
import { Streams } from './events.js'
import { asked } from './filter.js'
import { demandOwn, token } from './forgery.js'
import { bodyOf, failure, json } from './http.js'
import { list } from './list.js'
import { detail } from './message.js'
import { history, Kept, overview } from './overview.js'
import { asset, deniedPage, shell } from './page.js'
import { rectify, refusals } from './refusals.js'
import { Looks, reveal } from './reveal.js'
import { ofProcess, type Surface } from './surface.js'

export type { Access, Authorize, Permission } from './access.js'

export interface AdminOptions {
  /** Who asks: null denies. Asked anew for every request. */
  authorize?: Authorize
  /** Origins that commands may come from, such as 'https://clinic.example'. Default: the host that the request names. */
  origins?: readonly string[]
  /** Most looks into messages and answers, per person, minute and process; default 30. */
  revealsPerMinute?: number
  /** An outbox of the class Outbox; default: that of the process. */
  outbox?: Surface
}

/** What Next.js hands to a route: the segments of its address, as a promise since version 15. */
interface RouteContext {
  params?: Promise<{ path?: string[] }> | { path?: string[] }
}
export type Handler = (request: Request, context?: RouteContext) => Promise<Response>

const REVEALS_PER_MINUTE = 30

export function adminRoute(options: AdminOptions = {}): { GET: Handler; POST: Handler } {
  const route = new Route(options)
  return {
    GET: (request, context) => route.answer(request, context, () => route.get(request)),
    POST: (request, context) => route.answer(request, context, () => route.post(request)),
  }
}

class Route {
  readonly #outbox: Surface
  readonly #looks: Looks
  readonly #turns = new Turns()
  readonly #kept = new Kept()
  readonly #streams = new Streams()
  readonly #asked = new WeakMap<Request, { access: Access; path: string[]; base: string }>()

  constructor(readonly options: AdminOptions) {
    this.#outbox = options.outbox ?? ofProcess
    this.#looks = new Looks(options.revealsPerMinute ?? REVEALS_PER_MINUTE)
  }

  /** Asks who it is before anything else, so that nothing can be learnt without being let in. */
  async answer(request: Request, context: RouteContext | undefined, work: () => Promise<Response>): Promise<Response> {
    const path = (await context?.params)?.path ?? []
    try {
      this.#asked.set(request, { access: await accessOf(this.options.authorize, request), path, base: baseOf(request, path) })
      return await work()
    } catch (error) {
      if (error instanceof Refusal && error.code === denied().code && request.method === 'GET' && path.length === 0) return deniedPage()
      return failure(error)
    }
  }

  async get(request: Request): Promise<Response> {
    const { access, path, base } = this.#of(request)
    const [room, name, id] = path
    if (room === undefined) return shell(base, token(request, base).headers)
    if (room === 'assets' && path.length === 2) return asset(name ?? '') ?? nowhere()
    if (room !== 'api' || path.length > 3) return nowhere()
    if (name === 'messages' && id !== undefined) return json(await detail(this.#outbox, access, id))
    if (id !== undefined) return nowhere()
    const query = new URL(request.url).searchParams
    switch (name) {
      case 'session': {
        const { value, headers } = token(request, base)
        return json({ actor: access.actor, may: access.may, tags: access.tags ?? null, token: value, now: new Date().toISOString() }, 200, headers)
      }
      case 'overview':
        return json(await overview(this.#outbox, access, this.#kept))
      case 'history':
        return json(await history(this.#outbox, access, this.#kept))
      case 'refusals':
        return json(await refusals(this.#outbox, access, query))
      case 'messages':
        return json({ ...(await list(this.#outbox, access, asked(query))), now: new Date().toISOString() })
      case 'events':
        return this.#streams.open(this.#outbox, access, this.#kept, request.signal)
      default:
        return nowhere()
    }
  }

  async post(request: Request): Promise<Response> {
    const { access, path } = this.#of(request)
    const [room, name] = path
    if (room !== 'api' || path.length !== 2) return nowhere()
    demandOwn(request, this.options.origins)
    const body = await bodyOf(request)
    try {
      return await this.#ordered(access, name, body)
    } finally {
      this.#kept.forget()
    }
  }

  async #ordered(access: Access, name: string | undefined, body: Record<string, unknown>): Promise<Response> {
    switch (name) {
      case 'command':
        return json(await command(this.#outbox, access, this.#turns, body))
      case 'destination':
        return json(await steer(this.#outbox, access, body))
      case 'reveal':
        return json(await reveal(this.#outbox, access, this.#looks, body))
      case 'refusal':
        return json(await this.#rectified(access, body))
      case 'check':
        return json(check(access, body))
      case 'replace':
        return json(await replace(this.#outbox, access, this.#turns, body))
      default:
        return nowhere()
    }
  }

  /** Who looks at the same part of the worklist sees it change. */
  async #rectified(access: Access, body: Record<string, unknown>): Promise<unknown> {
    const group = await rectify(this.#outbox, access, body)
    this.#streams.ring(access)
    return group
  }

  #of(request: Request): { access: Access; path: string[]; base: string } {
    const known = this.#asked.get(request)
    if (known === undefined) throw denied()
    return known
  }
}

function nowhere(): Response {
  return json({ error: { code: 'NOT_FOUND', message: 'there is nothing here', hint: null } }, 404)
}

/** Where the page is mounted: the address without the segments that are its own. */
function baseOf(request: Request, path: readonly string[]): string {
  const segments = new URL(request.url).pathname.split('/').filter((each) => each !== '')
  const own = segments.slice(0, Math.max(0, segments.length - path.length))
  return own.length === 0 ? '' : `/${own.join('/')}`
}
