/** One outbox on one file, with the whole surface as methods. The module-level functions use one of these per process. */
import type {
  Attempt,
  Backup,
  By,
  Changed,
  CommandOptions,
  Counted,
  DestinationConfig,
  Enqueued,
  EnqueueOptions,
  Health,
  Message,
  MessageFilter,
  OutboxConfig,
  Page,
  Refusal,
  RefusalChange,
  RefusalFilter,
  Refusals,
  Stats,
  StatusChange,
} from '../../index.js'
import { Hl7OutboxError } from '../error.js'
import { AlertTeller, type AlertListener } from './alerts.js'
import * as check from './arguments.js'
import { forget, hearAlerts, hearLog, listen, native, unharmed, unlisten } from './bind.js'
import { changes } from './changes.js'
import type { LogListener, StatusListener } from './bind.js'
import { checkHl7 } from './check.js'
import type { NativeOutbox } from './native.js'
import type { LaidOut } from './tools.js'
import { enqueueBatchInSpan, enqueueInSpan, isTraced } from './tracing.js'

/** Less than the 1.6 s that PM2 waits between SIGINT and SIGKILL. */
const STOP_TIMEOUT_MS = 1_400

/** How often a command on many messages tells how far it has come. */
const PROGRESS_MS = 100

/** Runs a check or a native call; what it throws becomes the rejection of a promise. */
function attempt<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call()
  } catch (error) {
    return Promise.reject(check.coded(error))
  }
}

/** The same for a call that waits in between. */
async function ask<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw check.coded(error)
  }
}

/** The functions of a configuration, which stay on this side. */
export interface Hearers {
  onLog?: LogListener | undefined
  onAlert?: AlertListener | undefined
}

export class Outbox {
  readonly #native: NativeOutbox
  readonly #opened: Promise<void>
  /** Whether the native side tells of attempts. */
  #follows: boolean

  /** Use {@link Outbox.open}. A call on an outbox that is still being opened waits in its turn. */
  constructor(configJson: string | undefined, { onLog, onAlert }: Hearers = {}) {
    if (process.env.NEXT_PHASE === 'phase-production-build') {
      throw new Hl7OutboxError('ERR_BUILD_PHASE', 'the outbox was called during `next build`', {
        hint: "Make the route dynamic (export const dynamic = 'force-dynamic') so that it does not run at build time.",
      })
    }
    this.#follows = isTraced()
    this.#native = native().NativeOutbox.open(configJson, JSON.stringify(process.env), process.cwd(), onLog !== undefined, onAlert !== undefined, this.#follows)
    // Lines come over the event loop, so none is missed between the two.
    if (onLog !== undefined) hearLog(this.#native.id, onLog)
    if (onAlert !== undefined) hearAlerts(this.#native.id, new AlertTeller(this.#native, onAlert))
    this.#opened = this.#native.opened()
    // Who waits for it hears of a failure; so does every call. Unheard, it must not end the process.
    this.#opened.catch(() => undefined)
  }

  static open(config?: OutboxConfig): Promise<Outbox> {
    return ask(async () => {
      const outbox = new Outbox(Outbox.configJson(config), Outbox.hearers(config))
      await outbox.opened()
      return outbox
    })
  }

  /** @internal */
  static configJson(config: OutboxConfig | undefined): string | undefined {
    if (config === undefined) return undefined
    const given = check.plain(config, 'config')
    // Its functions stay on this side.
    const without = (part: unknown, name: string, hearer: string): unknown =>
      part === undefined || part === null ? part : { ...check.plain(part, name), [hearer]: undefined }
    const log = without(given.log, 'log', 'onLog')
    const alerts = without(given.alerts, 'alerts', 'onAlert')
    return check.json({ ...given, log, alerts }, 'config', 'ERR_CONFIG')
  }

  /** @internal Who hears the log, and who hears alerts. */
  static hearers(config: OutboxConfig | undefined): Hearers {
    const onLog = config?.log?.onLog
    const onAlert = config?.alerts?.onAlert
    if (onLog !== undefined) check.func(onLog, 'log.onLog')
    if (onAlert !== undefined) check.func(onAlert, 'alerts.onAlert')
    return { onLog, onAlert }
  }

  /** @internal */
  opened(): Promise<void> {
    return this.#opened
  }

  close(options: { timeoutMs?: number } = {}): Promise<{ drained: boolean }> {
    return ask(async () => {
      const drained = await this.#native.close(Outbox.patience(options))
      forget(this.#native.id)
      return { drained }
    })
  }

  /** @internal How long a stop waits for attempts in flight. */
  static patience(options: unknown): number {
    const { timeoutMs } = check.object(options, 'options')
    return timeoutMs === undefined ? STOP_TIMEOUT_MS : check.count(timeoutMs, 'timeoutMs')
  }

  enqueueHl7(message: string | Uint8Array, options?: EnqueueOptions): Promise<Enqueued> {
    // Not an async function: that would be one more promise on the hot path.
    return attempt(() => {
      const [given, flat] = [check.message(message), check.options(options)]
      return this.#isTraced() ? enqueueInSpan(given, flat, (traced) => this.#native.enqueue(given, traced)) : this.#native.enqueue(given, flat)
    })
  }

  /** Whether spans are made. An SDK may be registered after the outbox was opened. */
  #isTraced(): boolean {
    if (!isTraced()) return false
    if (!this.#follows) {
      this.#native.followAttempts()
      this.#follows = true
    }
    return true
  }

  readonly checkHl7 = checkHl7

  enqueueHl7Batch(messages: { message: string | Uint8Array; options?: EnqueueOptions }[]): Promise<Enqueued[]> {
    return attempt(() => {
      const items = check.list(messages, 'messages').map((given, n) => {
        const item = check.object(given, `messages[${n}]`)
        const options = check.options(item.options)
        return options === undefined ? { message: check.message(item.message) } : { message: check.message(item.message), options }
      })
      return this.#isTraced() ? enqueueBatchInSpan(items, (traced) => this.#native.enqueueBatch(traced)) : this.#native.enqueueBatch(items)
    })
  }

  getMessage(ref: string | { controlId: string; destination?: string }): Promise<Message | null> {
    return ask(async () => {
      if (typeof ref === 'string') return parse<Message | null>(await this.#native.message(ref))
      const { controlId, destination } = check.object(ref, 'ref')
      const named = destination === undefined ? undefined : check.text(destination, 'destination')
      return parse<Message | null>(await this.#native.message(undefined, check.text(controlId, 'controlId'), named))
    })
  }

  getMessageContent(id: string, by?: By): Promise<Uint8Array | null> {
    return ask(async () => {
      if (by !== undefined) await this.#command('reveal', { id: check.text(id, 'id') }, check.by(by))
      return this.#native.content(check.text(id, 'id'))
    })
  }

  getAttempts(id: string): Promise<Attempt[]> {
    return ask(async () => parse<Attempt[]>(await this.#native.attempts(check.text(id, 'id'))))
  }

  getAnswer(id: string, n: number, by?: By): Promise<Uint8Array | null> {
    return ask(async () => {
      if (by !== undefined) await this.#command('reveal', { id: check.text(id, 'id'), attempt: check.count(n, 'n') }, check.by(by))
      return this.#native.answer(check.text(id, 'id'), check.count(n, 'n'))
    })
  }

  listMessages(
    filter?: MessageFilter & { cursor?: string; limit?: number; order?: 'newest' | 'oldest' },
  ): Promise<Page<Message>> {
    return ask(async () => parse<Page<Message>>(await this.#native.list(check.filter(filter))))
  }

  countMessages(filter?: MessageFilter): Promise<Counted> {
    return ask(async () => parse<Counted>(await this.#native.count(check.filter(filter))))
  }

  getStats(filter?: { destination?: string; tags?: Record<string, string> }): Promise<Stats> {
    return ask(async () => {
      for (const name of Object.keys(check.object(filter ?? {}, 'filter'))) {
        if (name !== 'destination' && name !== 'tags') throw check.wrong(`getStats cannot be filtered by \`${name}\``)
      }
      return parse<Stats>(await this.#native.stats(check.filter(filter)))
    })
  }

  getMetrics(options: { scope?: 'all' | 'file' } = {}): Promise<string> {
    return ask(async () => {
      const { scope, ...rest } = check.object(options, 'options')
      for (const name of Object.keys(rest)) throw check.wrong(`\`${name}\` is not an option of getMetrics`)
      if (scope !== undefined && scope !== 'all' && scope !== 'file') throw check.wrong("`scope` must be 'all' or 'file'")
      return this.#native.metrics(scope === 'file')
    })
  }

  backupOutbox(path: string, options: { replace?: boolean } = {}): Promise<Backup> {
    return ask(async () => parse<Backup>(await this.#native.backup(check.text(path, 'path'), check.replaces(options))))
  }

  /** @internal A page with lanes, for an export. */
  laidOut(filter: MessageFilter & { cursor?: string; limit?: number; order?: 'newest' | 'oldest' }): Promise<Page<LaidOut>> {
    return ask(async () => parse<Page<LaidOut>>(await this.#native.laidOut(check.filter(filter))))
  }

  /** @internal Puts on record who copies these messages out; before they are. */
  exported(ids: string[], by: By): Promise<void> {
    return ask(async () => {
      await this.#command('export', { ids }, check.by(by))
    })
  }

  getHealth(): Promise<Health> {
    return ask(async () => parse<Health>(await this.#native.health()))
  }

  retryMessages(filter: MessageFilter, by: By & { allowOvertaken?: boolean }, options?: CommandOptions): Promise<Changed> {
    return this.#bulk('retry', filter, by, options, true)
  }

  cancelMessages(filter: MessageFilter, by: By, options?: CommandOptions): Promise<Changed> {
    return this.#bulk('cancel', filter, by, options)
  }

  holdMessages(filter: MessageFilter, by: By, options?: CommandOptions): Promise<Changed> {
    return this.#bulk('hold', filter, by, options)
  }

  releaseMessages(filter: MessageFilter, by: By & { allowOvertaken?: boolean }, options?: CommandOptions): Promise<Changed> {
    return this.#bulk('release', filter, by, options, true)
  }

  resendMessages(filter: MessageFilter, by: By & { allowOvertaken?: boolean }, options?: CommandOptions): Promise<Changed> {
    return this.#bulk('resend', filter, by, options, true)
  }

  purgeMessages(filter: MessageFilter, by: By, options?: CommandOptions): Promise<Changed> {
    return this.#bulk('purge', filter, by, options)
  }

  replaceMessage(id: string, message: string | Uint8Array, by: By): Promise<Enqueued> {
    return ask(() => this.#native.replace(check.text(id, 'id'), check.message(message), check.by(by)))
  }

  listRefusals(filter?: RefusalFilter): Promise<Refusals> {
    return ask(async () => parse<Refusals>(await this.#native.refusals(check.filter(filter))))
  }

  updateRefusal(refusal: string | (Pick<Refusal, 'id'> & Partial<Pick<Refusal, 'tags' | 'version'>>), change: RefusalChange, by: By): Promise<Refusal> {
    return ask(async () => parse<Refusal>(await this.#native.updateRefusal(check.refusal(refusal, change), check.by(by))))
  }

  pauseDestination(name: string, by: By): Promise<void> {
    return ask(async () => {
      await this.#command('pause', { destination: check.text(name, 'name') }, check.by(by))
    })
  }

  resumeDestination(name: string, by: By): Promise<void> {
    return ask(async () => {
      await this.#command('resume', { destination: check.text(name, 'name') }, check.by(by))
    })
  }

  configureDestination(name: string, patch: Partial<DestinationConfig>, by: By): Promise<void> {
    return ask(() => this.#native.configure(check.text(name, 'name'), check.json(check.plain(patch, 'patch'), 'patch'), check.by(by)))
  }

  resetDestination(name: string, by: By): Promise<void> {
    return ask(() => this.#native.configure(check.text(name, 'name'), undefined, check.by(by)))
  }

  #bulk(name: string, filter: MessageFilter, by: By, options: CommandOptions = {}, overtaking = false): Promise<Changed> {
    return ask(async () => {
      const argument = check.filter(check.object(filter, 'filter'))
      const { signal, onProgress } = check.commandOptions(options)
      const order = check.by(by, overtaking ? ['allowOvertaken'] : [])
      if (signal === undefined && onProgress === undefined) return parse<Changed>(await this.#native.command(name, argument, order))
      const course = new (native().NativeCourse)()
      const end = (): void => {
        course.end()
      }
      if (signal?.aborted === true) end()
      signal?.addEventListener('abort', end)
      const telling = onProgress === undefined ? undefined : setInterval(() => {
        unharmed(() => {
          onProgress(course.changed)
        })
      }, PROGRESS_MS)
      try {
        return parse<Changed>(await this.#native.command(name, argument, order, course))
      } finally {
        clearInterval(telling)
        signal?.removeEventListener('abort', end)
      }
    })
  }

  #command(name: string, argument: Record<string, unknown>, by: string): Promise<string> {
    return this.#native.command(name, JSON.stringify(argument), by)
  }

  statusChanges(options: { after?: string; consumer?: string; signal?: AbortSignal } = {}): AsyncIterable<StatusChange> {
    return changes(this.#native, (listener) => this.onStatusChange(listener), options)
  }

  onStatusChange(listener: (change: StatusChange) => void): () => void {
    check.func(listener, 'listener')
    // A listener of one's own, so that the same function given twice is heard twice and removed once.
    const heard: StatusListener = (change) => {
      listener(change)
    }
    if (listen(this.#native.id, heard)) this.#native.listen(true)
    return () => {
      if (unlisten(this.#native.id, heard)) this.#native.listen(false)
    }
  }
}

/** What the native side serialised; its shape is that of the public types. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the one place where JSON becomes a type
function parse<T>(json: string | null): T {
  return JSON.parse(json ?? 'null') as T
}
