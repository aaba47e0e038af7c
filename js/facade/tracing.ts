/**
 * Spans in the application's own OpenTelemetry SDK: one for each call that stores messages, one for each attempt.
 *
 * Nothing of OpenTelemetry is a dependency. Its API is an optional peer: it is used where the application has it, and spans are made
 * from the moment on at which the application has registered an SDK. What goes wrong in an SDK costs a span, never a message.
 */
import type { Attributes, Context, Span, Tracer } from '@opentelemetry/api'

import type { Attempt, Enqueued } from '../../index.js'
import { Hl7OutboxError } from '../error.js'
import type { BatchItem, FlatOptions } from './native.js'

type Api = typeof import('@opentelemetry/api')
type Message = string | Uint8Array

/** An attempt that ended, as the native side tells it. */
export interface AttemptEnded extends Attempt {
  id: string
  destination: string
  traceparent: string | null
}

const SCOPE = 'hl7-outbox'
const SYSTEM = { 'messaging.system': 'hl7_outbox' }
/** The key among a message's tags that holds its trace; in Rust `outbox_core::message::TRACEPARENT`. */
const TRACEPARENT = 'traceparent'
/** A receiver's own code that is no short number: it may be a name, and stays here. */
const OWN_WORD = /^(ACK_[^_]*)_(?!\d{1,4}$).*$/s
/** W3C Trace Context, version 00. */
const WRITTEN = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** What is made with: the API and our tracer. */
interface Sdk {
  otel: Api
  tracer: Tracer
}

/** What the API gives out before an SDK is registered, and afterwards with the SDK's provider behind it. */
interface StandIn {
  getDelegateTracer?: (name: string) => Tracer | undefined
  getDelegate?: () => Provider
}

interface Provider {
  forceFlush?: () => Promise<void>
}

let found: Api | null | undefined
let sdk: Sdk | undefined

/** The API, if the application has it. */
function api(): Api | null {
  if (found === undefined) {
    try {
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- absent in most applications, and file tracing follows only a literal
      found = require('@opentelemetry/api') as Api
    } catch {
      found = null
    }
  }
  return found
}

/** The SDK, as soon as one is registered. */
function registered(): Sdk | undefined {
  if (sdk !== undefined) return sdk
  const otel = api()
  if (otel === null) return undefined
  const provider = otel.trace.getTracerProvider() as StandIn
  if (provider.getDelegateTracer !== undefined && provider.getDelegateTracer(SCOPE) === undefined) return undefined
  return (sdk = { otel, tracer: otel.trace.getTracer(SCOPE, version()) })
}

function version(): string {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- beside the built file, where no import can name it
  return (require('../../package.json') as { version: string }).version
}

/** Whether the application has registered an SDK. */
export function isTraced(): boolean {
  return attempted(registered) !== undefined
}

/** What an SDK, its sampler or its processor throws stays here. */
function attempted<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch {
    return undefined
  }
}

/** Stores a message inside a span, which is the active one's child; the message takes the span's context along. */
export function enqueueInSpan(message: Message, options: FlatOptions | undefined, store: (options: FlatOptions | undefined) => Promise<Enqueued>): Promise<Enqueued> {
  const span = begin({ 'messaging.message.body.size': Buffer.byteLength(message) }, options?.destination)
  return inSpan(span, () => store(carrying(span, options)), (stored) => {
    if (stored.deliveries !== undefined) return { 'messaging.batch.message_count': stored.deliveries.length }
    return { 'messaging.message.id': stored.id, ...named(stored.destination), ...(stored.duplicate && { 'hl7_outbox.duplicate': true }) }
  })
}

/** The same for a batch: one span, of which all its messages are children. */
export function enqueueBatchInSpan(items: BatchItem[], store: (items: BatchItem[]) => Promise<Enqueued[]>): Promise<Enqueued[]> {
  const span = begin({ 'messaging.batch.message_count': items.length })
  const taken = items.map((item) => {
    const options = carrying(span, item.options)
    return options === undefined ? item : { ...item, options }
  })
  return inSpan(span, () => store(taken), (stored) => {
    const destinations = new Set(stored.map(({ destination }) => destination))
    const [only] = destinations
    return destinations.size === 1 && only !== undefined ? named(only) : {}
  })
}

function named(destination: string): Attributes {
  return { 'messaging.destination.name': destination }
}

function begin(attributes: Attributes, destination?: string): Span | undefined {
  return attempted(() => {
    const by = registered()
    const operation = { 'messaging.operation.name': 'enqueue', 'messaging.operation.type': 'send' }
    const known = destination === undefined ? {} : named(destination)
    return by?.tracer.startSpan(title('enqueue', destination), {
      kind: by.otel.SpanKind.PRODUCER,
      attributes: { ...SYSTEM, ...operation, ...known, ...attributes },
    })
  })
}

function title(operation: string, destination: string | undefined): string {
  return destination === undefined ? operation : `${operation} ${destination}`
}

/** The options with the span's context among the tags; a context that the caller gave wins. */
function carrying(span: Span | undefined, options: FlatOptions | undefined): FlatOptions | undefined {
  const written = span === undefined ? undefined : attempted(() => traceparent(span))
  const tags = options?.tags ?? []
  if (written === undefined || tags.some((word, n) => n % 2 === 0 && word === TRACEPARENT)) return options
  return { ...options, tags: [...tags, TRACEPARENT, written] }
}

function traceparent(span: Span): string | undefined {
  const context = span.spanContext()
  if (sdk?.otel.isSpanContextValid(context) !== true) return undefined
  return `00-${context.traceId}-${context.spanId}-${(context.traceFlags & 0xff).toString(16).padStart(2, '0')}`
}

/** Runs `call` at once, and ends the span with it. */
async function inSpan<T>(span: Span | undefined, call: () => Promise<T>, describe: (result: T) => Attributes): Promise<T> {
  try {
    const result = await call()
    attempted(() => {
      const attributes = describe(result)
      const destination = attributes['messaging.destination.name']
      span?.setAttributes(attributes)
      if (typeof destination === 'string') span?.updateName(title('enqueue', destination))
    })
    return result
  } catch (error) {
    attempted(() => {
      fail(span, error instanceof Hl7OutboxError ? error.code : '_OTHER')
    })
    throw error
  } finally {
    attempted(() => {
      span?.end()
    })
  }
}

function fail(span: Span | undefined, why: string): void {
  if (sdk !== undefined) span?.setStatus({ code: sdk.otel.SpanStatusCode.ERROR }).setAttribute('error.type', why)
}

/** Makes the spans of attempts, each in the trace in which its message was stored; without one it is a trace of its own. */
export function tellAttempts(ended: AttemptEnded[]): void {
  for (const attempt of ended) {
    attempted(() => {
      tellAttempt(attempt)
    })
  }
}

function tellAttempt(attempt: AttemptEnded): void {
  const by = registered()
  if (by === undefined || attempt.endedAt === null) return
  const attributes: Attributes = {
    ...SYSTEM,
    'messaging.operation.name': 'deliver',
    ...named(attempt.destination),
    'messaging.message.id': attempt.id,
    'hl7_outbox.attempt.number': attempt.n,
    'hl7_outbox.attempt.counted': attempt.counted,
    'hl7_outbox.attempt.manual': attempt.manual,
    ...(attempt.outcome !== null && { 'hl7_outbox.attempt.outcome': attempt.outcome }),
    ...(attempt.row !== null && { 'hl7_outbox.attempt.row': attempt.row }),
    ...(attempt.httpStatus !== undefined && { 'http.response.status_code': attempt.httpStatus }),
    ...(attempt.ackCode !== undefined && { 'hl7_outbox.ack_code': attempt.ackCode }),
    ...(attempt.bytesSent !== undefined && { 'hl7_outbox.attempt.bytes_sent': attempt.bytesSent }),
  }
  // As dates: a number from before the start of this process would be taken for one of its own clock.
  const began = new Date(attempt.startedAt)
  const over = new Date(Math.max(began.getTime(), new Date(attempt.endedAt).getTime()))
  const parent = contextOf(by.otel, attempt.traceparent)
  const span = by.tracer.startSpan(title('deliver', attempt.destination), { kind: by.otel.SpanKind.CLIENT, startTime: began, attributes }, parent)
  if (attempt.outcome !== 'accepted') fail(span, attempt.code?.replace(OWN_WORD, '$1') ?? attempt.row ?? '_OTHER')
  span.end(over)
}

function contextOf(otel: Api, written: string | null): Context {
  const [, traceId, spanId, flags] = WRITTEN.exec(written ?? '') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return otel.ROOT_CONTEXT
  return otel.trace.setSpanContext(otel.ROOT_CONTEXT, { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true })
}

/** Lets the SDK send what it has gathered: before an end, the last spans tell of the last attempts. */
export async function flushSpans(msMax: number): Promise<void> {
  if (sdk === undefined) return
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, msMax)))
  try {
    const provider = sdk.otel.trace.getTracerProvider() as StandIn & Provider
    await Promise.race([(provider.getDelegate?.() ?? provider).forceFlush?.(), late])
  } catch {
    // An exporter's trouble is told by the SDK.
  } finally {
    clearTimeout(timer)
  }
}
