/**
 * hl7-outbox: a durable outbox for HL7 v2 messages inside a Node.js process.
 *
 * Times are ISO 8601 strings in UTC; durations are milliseconds; ids and cursors are opaque strings. Every function that
 * returns a promise rejects with {@link Hl7OutboxError}; docs/errors.md lists the codes. Nothing throws synchronously but
 * `onStatusChange` with a listener that is no function, and `checkHl7` and `stopOnSignals` with a wrong argument.
 */

/** Where a message stands; docs/states.md has the diagram. */
export type Status = 'PENDING' | 'HELD' | 'SENT' | 'ACKNOWLEDGED' | 'FAILED' | 'CANCELLED'
/** What one attempt came to. */
export type Outcome = 'accepted' | 'rejected' | 'retry' | 'unreachable' | 'throttled' | 'indeterminate' | 'misconfigured'
/** Between lanes: `urgent` counts as 15 minutes older than it is, so that nothing starves. Within a lane it changes nothing. */
export type Priority = 'routine' | 'urgent'

export interface OutboxConfig {
  /** The outbox file. Absolute in production (ERR_PATH_RELATIVE). Environment: HL7_OUTBOX_PATH. */
  path?: string
  /** Named receivers. Without any: one called `malaffi` from MALAFFI_API_URL and MALAFFI_API_KEY. */
  destinations?: Record<string, DestinationConfig>
  /** Where a message goes that names no destination. Default: the only one, or `malaffi`. */
  defaultDestination?: string
  /** false: enqueue and query only; never become the dispatcher. Environment: HL7_OUTBOX_DISPATCH=off. */
  dispatch?: boolean
  limits?: {
    /** Largest accepted message; default 16 MiB. */
    messageBytes?: number
    /** Most messages PENDING or HELD; default 1,000,000. */
    pendingMessages?: number
    /** Most bytes waiting for the disk in this process; default 256 MiB. */
    intakeBytes?: number
    /** Most bytes of the write-ahead log that a long read keeps from being folded back; default 1 GiB, at least 64 MiB. */
    walBytes?: number
    /** Longest wait of enqueueHl7; default 5,000. */
    enqueueTimeoutMs?: number
  }
  /**
   * How long is kept what nobody waits for any more, counted from a message's last change; null for ever. PENDING, HELD and FAILED
   * messages are never touched. docs/configuration.md says why these defaults.
   */
  retention?: {
    /** Contents and answers of SENT, ACKNOWLEDGED and CANCELLED messages; default 90 days. */
    bodiesMs?: number | null
    /** Their rows, attempts and tags, what persons ordered, and what they noted on refusals of which none is left; a tombstone stays. Default 400 days. */
    rowsMs?: number | null
    /** Lines of statusChanges; default 30 days, at least 7. */
    changesMs?: number | null
  }
  /** JSON Lines without patient data; one log per process. Environment: HL7_OUTBOX_LOG (the level), HL7_OUTBOX_LOG_FILE. */
  log?: {
    /** Default `warn`. */
    level?: 'error' | 'warn' | 'info' | 'debug'
    /** Instead of the standard error stream. Absolute in production. */
    file?: string
    /** At this size the file becomes `file.1`, that one `file.2` …; default 10 MiB. */
    fileBytes?: number
    /** How many numbered files are kept; default 5. */
    files?: number
    /** Hears every line, instead of the standard error stream. At most 1,000 lines wait for it; more are dropped and counted. */
    onLog?: (line: Record<string, unknown>) => void
  }
  /** What a person should hear of without asking: once when it begins and once when it ends, in the whole cluster. docs/alerts.md has every type. */
  alerts?: AlertsConfig
}

/** Also without any key it turns alerts on; give every process of a file the same. */
export interface AlertsConfig {
  /** At most 20. Each alert is one signed POST (Standard Webhooks), repeated until it is answered with 2xx. */
  webhooks?: WebhookConfig[]
  /**
   * Hears every alert, at least once, in one process of those that have such a function. What it throws or rejects with is
   * a warning, and the alert is told again later. Must end within two minutes.
   */
  onAlert?: (alert: Alert) => unknown
  /** The defaults are those of monitoring/alerts.yml; null turns a type off. */
  thresholds?: {
    /** How long a destination must be down or overloaded; default 15 minutes. */
    outageMs?: number | null
    /** How long a destination must be paused or misconfigured; default 5 minutes. */
    needsPersonMs?: number | null
    /** How long a kind of refusal must stay away before it is new again; default a day. */
    refusalQuietMs?: number | null
    /** Dead letters that a destination may have; default 0. */
    deadLetters?: number | null
    /** Default an hour. */
    oldestWaitingMs?: number | null
    /** How long no process may dispatch; default 2 minutes. */
    dispatcherMissingMs?: number | null
    /** Default 1,000,000,000. */
    diskFreeBytes?: number | null
    /** Default 21. */
    certificateDays?: number | null
    /** How long dead letters, the oldest age or the disk must be beyond their limit; default 5 minutes. */
    lastsMs?: number
  }
  /** How long something must be well before its end is told; default a minute. */
  endsAfterMs?: number
  /** How often what lasts is told again; default null, never; at least a minute. */
  repeatMs?: number | null
  /** How long an alert is tried to be handed over; default a day, at most 7. */
  expiresInMs?: number
}

export interface WebhookConfig {
  /** https://; http:// on loopback, elsewhere only with allowPlaintext. */
  url: string
  /** `whsec_` and the base64 of 24 to 64 random bytes, or `env:NAME`. Several while one is replaced: each signs. */
  secret: string | string[]
  headers?: Record<string, string>
  /** The types that it gets; absent: all. */
  only?: AlertType[]
  /** The whole attempt; default 10,000, at most 60,000. */
  timeoutMs?: number
  /** As of a destination. */
  tls?: DestinationConfig['tls']
  /** As of a destination. */
  proxy?: DestinationConfig['proxy']
  /** Permits http:// beyond loopback. */
  allowPlaintext?: boolean
}

export type AlertType =
  | 'outage'
  | 'paused'
  | 'refusal'
  | 'dead-letters'
  | 'oldest-waiting'
  | 'no-dispatcher'
  | 'disk-low'
  | 'certificate-expires'
  | 'test'

/** Names, numbers, codes and times; never anything of a message, of an answer, or of what a person wrote. */
export interface Alert {
  /** The same however often and to whomever it is told. */
  id: string
  type: AlertType
  /** continues: only with `repeatMs`. */
  state: 'begun' | 'continues' | 'ended'
  at: string
  since: string
  /** A sentence, for a subject line. */
  summary: string
  /** File name of the outbox, without its folders. */
  outbox: string
  host: string
  destination?: string
  /** outage: the destination's state. paused: `person`, `reject-streak` or `restored`. no-dispatcher: `absent` or `silent`. */
  reason?: 'breaker-open' | 'throttled' | 'misconfigured' | 'person' | 'reject-streak' | 'restored' | 'absent' | 'silent'
  /** Of the last attempt: docs/outcomes.md. */
  code?: string
  /** Dead letters, or messages refused with this code. */
  count?: number
  /** Messages that wait for the destination. */
  waiting?: number
  ageMs?: number
  freeBytes?: number
  expiresAt?: string
  /** What the figure was compared with, in its unit. */
  limit?: number
}

export interface DestinationConfig {
  /** https://, mllps://; http:// and mllp:// on loopback, elsewhere only with allowPlaintext. Default port of MLLP: 2575. */
  url: string
  /** Of HTTP only. A secret may be a reference to the environment: `env:MALAFFI_API_KEY`. oauth2: the client credentials grant. */
  auth?:
    | { bearer: string }
    | { basic: { user: string; password: string } }
    | { oauth2: { tokenUrl: string; clientId: string; clientSecret: string; scope?: string } }
  /** Beside or instead of Content-Type and X-Message-Control-ID. `{MSH-10}` stands for the control id; an empty value leaves a default header out. */
  headers?: Record<string, string>
  /**
   * PEM files: authorities to trust instead of the system's, and a client certificate with its key. pins: `sha256/BASE64` of the
   * public keys of which the receiver's certificate must have one. serverName: the name that it must be for, instead of the host.
   */
  tls?: { caFile?: string; certFile?: string; keyFile?: string; pins?: string[]; serverName?: string; minVersion?: '1.2' | '1.3' }
  /** The HTTP proxy (http://host:port) that connections go through by CONNECT. Absent: none; the environment is not asked. */
  proxy?: { url: string; auth?: { bearer: string } | { basic: { user: string; password: string } } }
  /** Permits http:// and mllp:// beyond loopback. */
  allowPlaintext?: boolean
  /** MSH-11 values this receiver may get; another is refused at enqueue (ERR_PROCESSING_ID). */
  processingIds?: string[]
  /** false: accept messages, keep them PENDING. */
  enabled?: boolean
  /** Most attempts at once; default 4. */
  concurrency?: number
  /** Default 1 per second unless the url is loopback; null for none. */
  rateLimit?: { perSecond: number; burst?: number } | null
  /**
   * connectMs (name, TCP, proxy, TLS) default 10,000; writeMs (until the last byte is handed over) default 60,000; firstByteMs (from
   * then until an answer begins) default totalMs; totalMs default 120,000: nobody waits for it, and shorter makes duplicates.
   */
  timeouts?: { connectMs?: number; writeMs?: number; firstByteMs?: number; totalMs?: number }
  /** scheduleMs default 30 s, 1, 2, 5, 10, 30 min, 1 h (the last repeats); jitter default 0.2; maxAttempts default 12; maxIndeterminate default 10; expiresInMs default null. `exponential` instead of scheduleMs: firstMs, times factor (default 2), up to capMs. */
  retry?: {
    scheduleMs?: number[]
    exponential?: { firstMs: number; factor?: number; capMs: number }
    jitter?: number
    maxAttempts?: number
    maxIndeterminate?: number
    expiresInMs?: number | null
  }
  /** What a dead letter does to its lane: 'continue' (default), or 'hold': it waits for a person. */
  afterFailure?: 'continue' | 'hold'
  /** 'patient' (PID-3, default), a field path such as 'PV1-19', or null for no order. */
  orderBy?: string | null
  /** A 2xx without an HL7 acknowledgement does not count as accepted. */
  requireHl7Ack?: boolean
  /** Outcomes by row name of docs/outcomes.md, instead of the table's own. */
  outcomes?: Record<string, Outcome>
}

export interface EnqueueOptions {
  /** A configured name; default: the default destination. */
  destination?: string
  /** Several receivers: one row and id each, one commit, all or none. */
  destinations?: string[]
  /** Instead of the destination's orderBy; null for no order. */
  orderingKey?: string | null
  /**
   * At most 8; keys up to 32, values up to 128 characters; searchable, so no names of patients. `traceparent` is the message's trace
   * (docs/tracing.md): set by the outbox where an OpenTelemetry SDK is registered, not counted, not searchable.
   */
  tags?: Record<string, string>
  /** Not sent, and not standing in its lane, before this time. */
  notBefore?: Date | string
  /** This message's own limit of counted attempts. */
  maxAttempts?: number
  /** Its lane goes before routine ones. */
  priority?: Priority
  /** Stored as HELD, not sent until releaseMessages. */
  hold?: boolean
  /** Instead of the destination's retry.expiresInMs; null for never. Counted from enqueue, notBefore, release or manual retry, whichever is latest. */
  expiresInMs?: number | null
  /** Check it first, and refuse it (ERR_CHECK_FAILED) if `checkHl7` would find an error; warnings pass. */
  check?: 'hl7' | 'malaffi' | { profile?: 'hl7' | 'malaffi'; doctorIds?: string[] }
}

/** What `checkHl7` found; docs/checks.md lists the codes. Holds nothing of the message. */
export interface Finding {
  /** error: a receiver has a reason to refuse it, or enqueueHl7 refuses it. warning: probably not what was meant. */
  severity: 'error' | 'warning'
  /** Stable; for what enqueueHl7 refuses, its code of docs/errors.md. */
  code: string
  /** `PID`; `OBX[2]`, the second OBX; `#4`, the fourth segment, if its name is not one of the standard's; empty for the message as a whole. */
  segment: string
  /** `10` or, with a component, `3.4`. */
  field?: string
  /** Where, what is wrong, and what to do. */
  message: string
}

/** A message that is on disk. */
export interface Enqueued {
  id: string
  controlId: string
  destination: string
  status: Status
  /** The same bytes were stored before: `id` and `status` are those of the first time, and nothing changed. */
  duplicate: boolean
  /** With `destinations`: one entry each, in their order. */
  deliveries?: Enqueued[]
}

export interface Message {
  id: string
  seq: number
  controlId: string
  /** 'ADT^A08' */
  messageType: string
  destination: string
  status: Status
  inFlight: boolean
  /** Counted ones. */
  attempts: number
  /** All of them. */
  tries: number
  /** Sent again although an earlier attempt may have arrived. */
  possibleDuplicate: boolean
  /** Why a PENDING message is not being sent now. */
  waitingFor: null | 'due' | 'lane' | 'rate' | 'breaker' | 'paused' | 'disabled' | 'not-configured' | 'dispatcher'
  /** The message of its lane that it waits for. */
  blockedBy: string | null
  /** Later messages of its lane were already delivered. */
  overtaken: boolean
  /** Accepted, but something is worth knowing. */
  warning: string | null
  failure: null | {
    reason: 'rejected' | 'exhausted' | 'indeterminate' | 'expired' | 'unreadable'
    code: string
    httpStatus?: number
    ackCode?: string
    errCodes?: string[]
  }
  priority: Priority
  tags: Record<string, string>
  replaces: string | null
  replacedBy: string | null
  createdAt: string
  dueAt: string | null
  sentAt: string | null
  acknowledgedAt: string | null
  updatedAt: string
  /** When purgeMessages removed its content, if it did; status and control id stay known. */
  purgedAt?: string
}

export interface Attempt {
  n: number
  startedAt: string
  endedAt: string | null
  outcome: Outcome | null
  /** The row of docs/outcomes.md that decided. */
  row: string | null
  httpStatus?: number
  ackCode?: string
  errCodes?: string[]
  code?: string
  bytesSent?: number
  counted: boolean
  manual: boolean
}

/** Everything given must hold. `from` is inclusive, `to` is not. At most 1,000 ids or control ids. */
export interface MessageFilter {
  ids?: string[]
  controlIds?: string[]
  status?: Status | Status[]
  destination?: string
  messageType?: string
  tags?: Record<string, string>
  failureCode?: string
  from?: Date | string
  to?: Date | string
  warning?: boolean
  possibleDuplicate?: boolean
}

/** A page may be short; only a null cursor ends. */
export interface Page<T> {
  items: T[]
  nextCursor: string | null
}

/** Who commands, and why; recorded. */
export interface By {
  actor: string
  reason?: string
}

/** For commands on messages. */
export interface CommandOptions {
  /** Ends the command at its next seam with ERR_COMMAND_ENDED; what it has changed stays changed. */
  signal?: AbortSignal
  /** Hears about ten times a second how many messages are changed and on disk. */
  onProgress?: (changed: number) => void
}

/** `exact: false`: counting would take longer than half a second, and there are at least `count`. */
export interface Counted {
  count: number
  exact: boolean
}

/** ids are capped at 1,000; count is exact. */
export interface Changed {
  changed: string[]
  unchanged: { id: string; code: string }[]
  count: number
}

/** Everything given must hold. */
export interface RefusalFilter {
  /** One group, also when it has no dead letters any more. */
  id?: string
  destination?: string
  failureCode?: string
  /** Only messages with these tags count, and owner, note and mark are those of this part of the group. */
  tags?: Record<string, string>
  state?: 'open' | 'rectified'
  owner?: string
  /** Most groups: 1 to 1,000, default 100. */
  limit?: number
}

/** Dead letters that failed of the same: by destination, code, ERR-3 and ERR-5, and reason. */
export interface Refusal {
  id: string
  /** Changes with the group; updateRefusal takes it for what its caller saw. */
  version: string
  /** The part of the group that this is about, as it was asked for; {} for the whole. */
  tags: Record<string, string>
  destination: string
  code: string
  errCodes: string[]
  reason: 'rejected' | 'exhausted' | 'indeterminate' | 'expired' | 'unreadable'
  /** How many there are now: those that were corrected, retried or cancelled are not among them. */
  count: number
  /** Of them, those that failed on each of the days of {@link Refusals.days}. */
  perDay: number[]
  newestAt: string | null
  /** The newest, at most 5. */
  examples: Message[]
  owner: string | null
  note: string | null
  /** The next refusal makes a rectified group open again. */
  state: 'open' | 'rectified'
  rectifiedAt: string | null
  rectifiedBy: string | null
  /** When it was refused again after it was rectified; null if it is open for another reason. */
  reopenedAt: string | null
  changedAt: string | null
  changedBy: string | null
}

export interface Refusals {
  /** Largest first. */
  groups: Refusal[]
  /** The last 14 days in UTC, oldest first: '2026-01-31'. */
  days: string[]
  /** Whether there are more groups than `limit`. */
  more: boolean
}

/** What is left out stays; null takes it away. */
export interface RefusalChange {
  /** Who sees to it; at most 200 characters. */
  owner?: string | null
  /** At most 2,000 characters. Stands in the file as it is typed: no names of patients. */
  note?: string | null
  /** Whether its cause is mended. */
  rectified?: boolean
}

export interface StatusChange {
  cursor: string
  at: string
  id: string
  controlId: string
  destination: string
  from: Status | null
  to: Status
  attempts: number
  failure: Message['failure']
  tags: Record<string, string>
}

export interface Stats {
  byStatus: Record<Status, number>
  byDestination: Record<string, Record<Status, number>>
  oldestPendingAgeMs: number | null
  delivered: { last1m: number; last1h: number; last24h: number }
  /** Delivered ÷ (delivered + dead letters); null when there were none. */
  successRate24h: number | null
  /** From stored to delivered, of the last 24 h. */
  deliveryMs: { p50: number; p95: number; p99: number } | null
  retries24h: { automatic: number; manual: number }
  lastAttemptAt: string | null
}

export interface Health {
  /** degraded: messages are safe, something needs a look; down: nothing can be stored. */
  status: 'ok' | 'degraded' | 'down'
  problems: { code: string; message: string; remedy: string }[]
  dispatcher: { pid: number; host: string; since: string; here: boolean; beatAgeMs: number } | null
  destinations: Record<
    string,
    {
      state: 'ok' | 'breaker-open' | 'throttled' | 'paused' | 'misconfigured' | 'disabled'
      since: string
      reason: string | null
      pending: number
      inFlight: number
      certificateExpiresAt: string | null
    }
  >
  file: { path: string; bytes: number; walBytes: number; diskFreeBytes: number; sqliteVersion: string; schema: number }
}

export interface StopOnSignalsOptions {
  /** For all of it, from the signal on; default 1,400, less than PM2 waits. */
  timeoutMs?: number
  /** Default SIGINT and SIGTERM. The message `shutdown` always counts. */
  signals?: ('SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGQUIT' | 'SIGUSR2' | 'SIGBREAK')[]
  /** Default true: `process.exit()`. With false the process ends when nothing is left to do. */
  exit?: boolean
  /** What ends before the outbox does, such as the server that enqueues: awaited up to half of timeoutMs. */
  first?: () => unknown
}

/** A copy of the outbox file. */
export interface Backup {
  bytes: number
  /** All that it holds, delivered ones included. */
  messages: number
  /** From the call until the copy was checked and flushed. */
  durationMs: number
}

/** Opens the outbox of this process and begins to deliver. Idempotent with the same configuration. */
export function startOutbox(config?: OutboxConfig): Promise<void>
/** Claims nothing more, waits for attempts in flight (default 1,400 ms), closes the file. Only startOutbox opens it again. */
export function stopOutbox(options?: { timeoutMs?: number }): Promise<{ drained: boolean }>
/** At a signal, or PM2's `shutdown` message: `first`, then stopOutbox, then the end of the process. Returns what disarms it; armed again, the newer options hold. */
export function stopOnSignals(options?: StopOnSignalsOptions): () => void
/** Resolves when the message is on disk and survives a power cut; it is delivered in the background. */
export function enqueueHl7(message: string | Uint8Array, options?: EnqueueOptions): Promise<Enqueued>
/** All or none, in one commit. At most 10,000 messages. */
export function enqueueHl7Batch(messages: { message: string | Uint8Array; options?: EnqueueOptions }[]): Promise<Enqueued[]>
export function getMessage(ref: string | { controlId: string; destination?: string }): Promise<Message | null>
/** The bytes as they are sent. With `by`, the look is recorded first. */
export function getMessageContent(id: string, by?: By): Promise<Uint8Array | null>
export function getAttempts(id: string): Promise<Attempt[]>
/** The raw answer of attempt n. With `by`, the look is recorded first. */
export function getAnswer(id: string, n: number, by?: By): Promise<Uint8Array | null>
/** By key, newest first; limit 1 to 1,000, default 50. */
export function listMessages(filter?: MessageFilter & { cursor?: string; limit?: number; order?: 'newest' | 'oldest' }): Promise<Page<Message>>
/** How many messages a filter matches, without listing them. */
export function countMessages(filter?: MessageFilter): Promise<Counted>
export function getStats(filter?: { destination?: string; tags?: Record<string, string> }): Promise<Stats>
export function getHealth(): Promise<Health>
/**
 * Figures as text for Prometheus (text/plain; version=0.0.4). Gauges are of the whole file; counters and histograms of this
 * process. `scope: 'file'` leaves the latter out. docs/operations.md lists the names.
 */
export function getMetrics(options?: { scope?: 'all' | 'file' }): Promise<string>
/**
 * Copies the file to `path` while all processes go on; all that was resolved before the call is in it. Resolves when the copy
 * has been read through (integrity_check) and is on disk; an error leaves nothing there. Readable by the owner only. A name
 * that is taken is refused (ERR_BACKUP_EXISTS) unless `replace`. docs/command-line.md says how one is put back.
 */
export function backupOutbox(path: string, options?: { replace?: boolean }): Promise<Backup>
/**
 * Commands on messages mean those that were stored before the call. Up to 250 of them are changed in one commit; of more, as many at
 * a time, with other work in between, and the promise resolves when all are on disk. An error in the middle has how many are in
 * `count`; the same command again goes on. docs/states.md says what holds between the parts.
 *
 * PENDING: due now. FAILED, CANCELLED: pending again, attempts and error reset, old place in the lane. Overtaken ones are left (code
 * OVERTAKEN) unless allowOvertaken.
 */
export function retryMessages(filter: MessageFilter, by: By & { allowOvertaken?: boolean }, options?: CommandOptions): Promise<Changed>
/** Withdraws what was not delivered. One in flight is withdrawn unless the receiver accepts it. */
export function cancelMessages(filter: MessageFilter, by: By, options?: CommandOptions): Promise<Changed>
/** PENDING becomes HELD, outside its lane, until released. */
export function holdMessages(filter: MessageFilter, by: By, options?: CommandOptions): Promise<Changed>
/** HELD becomes PENDING, in its old place in the lane. Overtaken ones are left (code OVERTAKEN) unless allowOvertaken. */
export function releaseMessages(filter: MessageFilter, by: By & { allowOvertaken?: boolean }, options?: CommandOptions): Promise<Changed>
/** Sends delivered messages again, byte for byte, marked possibleDuplicate. Overtaken ones are left unless allowOvertaken. */
export function resendMessages(filter: MessageFilter, by: By & { allowOvertaken?: boolean }, options?: CommandOptions): Promise<Changed>
/** A corrected message (new MSH-10) takes the lane place of a FAILED or HELD one, which becomes CANCELLED. Labels and priority are taken over. */
export function replaceMessage(id: string, message: string | Uint8Array, by: By): Promise<Enqueued>
/** Removes content, attempts and answers for good; what was not delivered is cancelled first. Status and control id stay known. */
export function purgeMessages(filter: MessageFilter, by: By, options?: CommandOptions): Promise<Changed>
/** The worklist: dead letters by what they failed of, with counts a day, and who sees to them. */
export function listRefusals(filter?: RefusalFilter): Promise<Refusals>
/**
 * Changes owner, note or mark of a group, and resolves with how it is then. Given what listRefusals gave (or its id, tags and
 * version), it is refused with ERR_REFUSAL_CHANGED if another person was first, or, for `rectified: true`, if another message
 * was refused; given an id alone, it changes the whole group however it is by now.
 */
export function updateRefusal(refusal: string | Pick<Refusal, 'id'> & Partial<Pick<Refusal, 'tags' | 'version'>>, change: RefusalChange, by: By): Promise<Refusal>
/** Kept in the file, wins over the start configuration until resetDestination, reaches queued messages and other processes within a second. No credentials. */
export function configureDestination(name: string, patch: Partial<DestinationConfig>, by: By): Promise<void>
export function resetDestination(name: string, by: By): Promise<void>
/** In the file: it holds in every process, and after a restart. */
export function pauseDestination(name: string, by: By): Promise<void>
export function resumeDestination(name: string, by: By): Promise<void>
/**
 * All mistakes in a message, none if it is good; synchronous, and needs no outbox. Options: `profile` (default `hl7`), the
 * `doctorIds` that the receiver knows, and `messageBytes` (default 16 MiB), above which only the size is told. Throws
 * ERR_OPTION for a wrong argument. It works on the calling thread: some ten microseconds for a usual message, about a
 * millisecond for one with a document of a megabyte in it; docs/checks.md has more figures.
 */
export function checkHl7(
  message: string | Uint8Array,
  options?: { profile?: 'hl7' | 'malaffi'; doctorIds?: string[]; messageBytes?: number },
): Finding[]
/** Changes committed by this process, after the commit, at least once. Returns the unsubscriber. */
export function onStatusChange(listener: (change: StatusChange) => void): () => void

/**
 * Durable, in commit order, at least once, of all processes; from the oldest kept unless `after` is given; ends when aborted.
 * A name in `consumer` keeps its own cursor and has one active reader among all processes; the others wait for their turn.
 * Older than what is kept: ERR_CURSOR_EXPIRED, with a fresh `cursor`.
 */
export function statusChanges(options?: { after?: string; consumer?: string; signal?: AbortSignal }): AsyncIterable<StatusChange>

/** The same surface on an explicit file, for tests and for several files. */
export class Outbox {
  private constructor()
  static open(config: OutboxConfig): Promise<Outbox>
  close(options?: { timeoutMs?: number }): Promise<{ drained: boolean }>
  enqueueHl7: typeof enqueueHl7
  enqueueHl7Batch: typeof enqueueHl7Batch
  getMessage: typeof getMessage
  getMessageContent: typeof getMessageContent
  getAttempts: typeof getAttempts
  getAnswer: typeof getAnswer
  listMessages: typeof listMessages
  countMessages: typeof countMessages
  getStats: typeof getStats
  getHealth: typeof getHealth
  getMetrics: typeof getMetrics
  backupOutbox: typeof backupOutbox
  retryMessages: typeof retryMessages
  cancelMessages: typeof cancelMessages
  holdMessages: typeof holdMessages
  releaseMessages: typeof releaseMessages
  resendMessages: typeof resendMessages
  replaceMessage: typeof replaceMessage
  purgeMessages: typeof purgeMessages
  listRefusals: typeof listRefusals
  updateRefusal: typeof updateRefusal
  configureDestination: typeof configureDestination
  resetDestination: typeof resetDestination
  statusChanges: typeof statusChanges
  pauseDestination: typeof pauseDestination
  resumeDestination: typeof resumeDestination
  checkHl7: typeof checkHl7
  onStatusChange: typeof onStatusChange
}

export class Hl7OutboxError extends Error {
  readonly code: string
  readonly hint: string | null
  /** For a refused HL7 message: where. `position` is a byte offset. */
  readonly segment?: string | null
  readonly field?: number | null
  readonly position?: number
  /** With ERR_CURSOR_EXPIRED: where to go on. */
  readonly cursor?: string
  /** Of a command on many messages that was cut short: how many are changed and on disk, at least. */
  readonly count?: number
}
