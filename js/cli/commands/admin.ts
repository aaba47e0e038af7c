/** `admin`: the admin page by itself, on this machine only, for whoever was shown its address. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { adminRoute, type Access, type Handler, type Permission } from '../../admin/index.js'
import { command, ends, examples, Option } from '../command.js'
import { by, withOutbox } from '../open.js'
import { out, outJson, words } from '../output.js'
import { end } from '../signals.js'
import { EXIT } from '../usage.js'
import { port } from '../values.js'

const HOST = '127.0.0.1'
const ALL: Permission[] = ['view', 'retry', 'cancel', 'hold', 'release', 'resend', 'replace', 'purge', 'rectify', 'pause', 'reveal']
/** A working day; then the command is started anew. */
const SESSION_MS = 12 * 3_600_000

export const admin = examples(
  command('admin')
    .description('Serve the admin page on 127.0.0.1 until a signal ends it. The printed address works once.')
    .addOption(new Option('--port <n>', 'where it listens; default: any that is free').argParser(port))
    .option('--actor <name>', 'who commands; default: the system’s user and host')
    .option('--read-only', 'to look, and no more')
    .action(
      ends(async (options) => {
        const { actor } = by({ actor: options.actor })
        return withOutbox(options, async (outbox) => {
          const door = new Door({ actor, may: options.readOnly === true ? ['view'] : ALL })
          const routes = adminRoute({ outbox, authorize: (request) => door.access(request) })
          const server = createServer((request, response) => {
            serve(door, routes, request, response).catch(() => {
              if (!response.headersSent) response.writeHead(500)
              response.end()
            })
          })
          const { asked, forget } = end()
          try {
            await new Promise<void>((resolve, reject) => {
              server.once('error', reject).listen(options.port ?? 0, HOST, resolve)
            })
          } catch (error) {
            forget()
            throw error
          }
          door.host = `${HOST}:${(server.address() as AddressInfo).port}`
          const url = `http://${door.host}/?token=${door.token}`
          await (options.json === true ? outJson({ url, pid: process.pid }) : out(`${url}\n`))
          words('admin: open the address in a browser of this machine; it works once. A signal ends the page.')
          await asked
          server.close()
          server.closeAllConnections()
          return EXIT.ok
        })
      }),
    ),
  'admin --config /etc/clinic/hl7-outbox.config.json',
)

/** One token in the printed address, for one browser: it is given a cookie, and the token is worth nothing any more. */
class Door {
  host = ''
  readonly token = randomBytes(32).toString('base64url')
  readonly #cookie = randomBytes(32).toString('base64url')
  #isUsed = false
  #until = 0

  constructor(readonly all: Access) {}

  /** The cookie for whoever brings the token, the first time. */
  enter(given: string): string | null {
    const matches = same(given, this.token)
    if (!matches || this.#isUsed) return null
    this.#isUsed = true
    this.#until = performance.now() + SESSION_MS
    return `${this.#name}=${this.#cookie}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${SESSION_MS / 1_000}`
  }

  access(request: Request): Access | null {
    const cookies = (request.headers.get('cookie') ?? '').split(';').map((each) => each.trim())
    const given = cookies.find((each) => each.startsWith(`${this.#name}=`))?.slice(this.#name.length + 1) ?? ''
    return same(given, this.#cookie) && performance.now() < this.#until ? this.all : null
  }

  /** Cookies do not tell ports apart: two pages on one machine must not overwrite each other's. */
  get #name(): string {
    return `hl7-outbox-admin-${this.host.split(':')[1] ?? ''}`
  }
}

/** In a time that tells nothing about where the difference is. */
function same(one: string, other: string): boolean {
  const digest = (value: string): Buffer => createHash('sha256').update(value).digest()
  return timingSafeEqual(digest(one), digest(other))
}

async function serve(door: Door, routes: { GET: Handler; POST: Handler }, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  // A name of elsewhere that was made to lead here is not this page's: what it shows must not be readable from there.
  if (incoming.headers.host !== door.host) { plain(outgoing, 403, 'not allowed\n'); return; }
  const url = new URL(incoming.url ?? '/', `http://${door.host}`)
  const token = url.searchParams.get('token')
  if (incoming.method === 'GET' && token !== null) {
    const cookie = door.enter(token)
    if (cookie === null) { plain(outgoing, 403, 'The address has been used, or is not the one that was printed. Start the command again.\n'); return; }
    // A page that goes on by itself, and no redirection: that would come from wherever the address was clicked, without the cookie.
    outgoing.setHeader('set-cookie', cookie)
    outgoing.setHeader('refresh', '0; url=/')
    plain(outgoing, 200, 'Signed in.\n'); return;
  }
  const handler = incoming.method === 'GET' ? routes.GET : incoming.method === 'POST' ? routes.POST : undefined
  if (handler === undefined) { plain(outgoing, 405, 'only GET and POST\n'); return; }
  const gone = new AbortController()
  outgoing.once('close', () => {
    gone.abort()
  })
  const path = url.pathname.split('/').filter((each) => each !== '')
  await send(await handler(asRequest(incoming, url, gone.signal), { params: { path: path.map(decoded) } }), outgoing)
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function asRequest(incoming: IncomingMessage, url: URL, signal: AbortSignal): Request {
  const headers = new Headers()
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  const body = incoming.method === 'POST' ? { body: Readable.toWeb(incoming) as ReadableStream<Uint8Array>, duplex: 'half' as const } : {}
  return new Request(url, { method: incoming.method ?? 'GET', headers, signal, ...body })
}

async function send(response: Response, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(response.status, Object.fromEntries(response.headers))
  if (response.body === null) {
    outgoing.end()
    return
  }
  // The browser that goes away in the middle of an answer is no failure.
  await pipeline(Readable.fromWeb(response.body), outgoing).catch(() => undefined)
}

function plain(outgoing: ServerResponse, status: number, text: string): void {
  outgoing.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' })
  outgoing.end(text)
}
