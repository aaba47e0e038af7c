// What a peer may answer, good and bad, over HTTP and over MLLP.
import { acknowledgement } from '../receiver.mjs'

const CR = 0x0d
const NO_SUCH = 'NOBODYSENTTHIS'
/** Longer than any deadline of an outbox in the network rig. */
export const LATE_MS = 1_300
const PIECE_BYTES = 16 << 10

const mllp = (body) => Buffer.concat([Buffer.from([0x0b]), Buffer.from(body), Buffer.from([0x1c, CR])])
const http = (body, { status = '200 OK', length = Buffer.byteLength(body) } = {}) =>
  Buffer.from(`HTTP/1.1 ${status}\r\nContent-Type: application/hl7-v2\r\nContent-Length: ${length}\r\n\r\n${body}`)
const wrap = (isMllp, body) => (isMllp ? mllp(body) : http(body))

/** The record is locked, or the receiver is busy: not taken, and meant to be sent again. */
const refusal = (control) => `${acknowledgement(control, 'AR')}ERR|||207^Application internal error^HL70357|E\r`

function noise(random, length) {
  // Neither the first byte of a frame nor anything that HTTP could begin with.
  return Buffer.from(Array.from({ length }, () => random.between(0x80, 0xff)))
}

/**
 * By name: `make({ isMllp, control, other, random })` gives `pieces` (bytes, or milliseconds to wait), written in turn, and
 * what the pieces mean:
 *   accepts  an acceptance for this message that nobody may overlook
 *   either   an acceptance that may be overlooked, or believed
 *   doubt    no acceptance: the message must be sent again, marked
 *   refuses  the message was not taken: it must be sent again, and this leaves no doubt
 * `end` is what the peer does to the connection behind them, `disturbs`: what is sent belongs to no message, so the connection's
 * next exchange may suffer, `endless`: the last piece is repeated until the outbox goes.
 */
export const ANSWERS = {
  good: ({ isMllp, control }) => ({ means: 'accepts', pieces: [wrap(isMllp, acknowledgement(control))] }),
  silent: () => ({ means: 'doubt', pieces: [], end: 'stall' }),
  late: ({ isMllp, control }) => ({ means: 'doubt', pieces: [LATE_MS, wrap(isMllp, acknowledgement(control))] }),
  wrong: ({ isMllp, other }) => ({ means: 'doubt', pieces: [wrap(isMllp, acknowledgement(other ?? NO_SUCH))], end: isMllp ? 'stall' : undefined }),
  wrongThenRight: ({ isMllp, control, other }) => {
    const [first, second] = [acknowledgement(other ?? NO_SUCH), acknowledgement(control)]
    return { means: 'accepts', pieces: [isMllp ? Buffer.concat([mllp(first), mllp(second)]) : http(first + second)] }
  },
  foreignRefusal: ({ isMllp, control, other }) => {
    const [first, second] = [acknowledgement(other ?? NO_SUCH, 'AE'), acknowledgement(control)]
    return { means: 'accepts', pieces: isMllp ? [mllp(first), 5, mllp(second)] : [http(first + second)] }
  },
  twice: ({ isMllp, control }) => {
    const once = wrap(isMllp, acknowledgement(control))
    return { means: 'accepts', pieces: [Buffer.concat([once, once])], disturbs: true }
  },
  twiceLate: ({ isMllp, control, random }) => {
    const once = wrap(isMllp, acknowledgement(control))
    return { means: 'accepts', pieces: [once], after: { ms: random.between(0, 40), bytes: once } }
  },
  garbageBefore: ({ isMllp, control, random }) => ({
    means: isMllp ? 'accepts' : 'doubt',
    pieces: [Buffer.concat([noise(random, random.between(1, 3_000)), wrap(isMllp, acknowledgement(control))])],
    end: isMllp ? undefined : 'stall',
  }),
  garbageAfter: ({ isMllp, control, random }) => ({
    means: 'accepts',
    pieces: [Buffer.concat([wrap(isMllp, acknowledgement(control)), noise(random, random.between(1, 3_000))])],
    disturbs: true,
  }),
  noEnd: ({ isMllp, control, random }) => {
    const whole = wrap(isMllp, acknowledgement(control))
    const end = random.pick(['stall', 'fin', 'rst'])
    return { means: isMllp ? 'doubt' : 'either', pieces: [whole.subarray(0, whole.length - (isMllp ? 2 : 1))], end }
  },
  noLastCr: ({ isMllp, control }) => {
    const whole = wrap(isMllp, acknowledgement(control))
    // Of MLLP the CR behind the frame; of HTTP the one behind the last segment.
    return { means: 'accepts', pieces: [isMllp ? whole.subarray(0, -1) : http(acknowledgement(control).slice(0, -1))], disturbs: true }
  },
  bareSegment: ({ isMllp, control }) => ({ means: 'accepts', pieces: [wrap(isMllp, acknowledgement(control).slice(0, -1))] }),
  empty: ({ isMllp }) => ({ means: 'doubt', pieces: [wrap(isMllp, '')] }),
  unnamed: ({ isMllp }) => ({ means: 'either', pieces: [wrap(isMllp, acknowledgement(''))], isUnnamed: true }),
  endlessHead: ({ isMllp, random }) => {
    const line = isMllp ? noise(random, PIECE_BYTES) : Buffer.from(`X-Rig: ${'x'.repeat(200)}\r\n`)
    return { means: 'doubt', pieces: isMllp ? [line] : [Buffer.from('HTTP/1.1 200 OK\r\n'), line], endless: true }
  },
  endlessBody: ({ isMllp }) => ({
    means: 'doubt',
    pieces: [Buffer.from(isMllp ? '\x0bMSH|^~\\&|RIG\r' : 'HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nMSH|^~\\&|RIG\r'), Buffer.from('ZZZ|x\r'.repeat(PIECE_BYTES / 6))],
    endless: true,
  }),
  endlessBehind: ({ isMllp, control }) => ({
    means: 'either',
    pieces: [isMllp ? mllp(acknowledgement(control)) : http(acknowledgement(control), { length: 99_999_999 }), Buffer.from('ZZZ|x\r'.repeat(PIECE_BYTES / 6))],
    endless: true,
    disturbs: true,
  }),
  byteByByte: ({ isMllp, control }) => ({ means: 'accepts', pieces: bytes(wrap(isMllp, acknowledgement(control))) }),
  byteByByteTooLate: ({ isMllp, control }) => ({ means: 'either', pieces: bytes(wrap(isMllp, acknowledgement(control))).flatMap((byte) => [byte, 20]) }),
  busy: ({ isMllp, control, random }) => ({
    means: 'refuses',
    pieces: [isMllp || random.chance(0.5) ? wrap(isMllp, refusal(control)) : http('', { status: '503 Service Unavailable' })],
  }),
  goneBehind: ({ isMllp, control, random }) => ({
    means: 'either',
    pieces: [wrap(isMllp, acknowledgement(control)), random.between(0, 20)],
    end: random.pick(['fin', 'rst']),
  }),
}

function bytes(whole) {
  return [...whole].map((byte) => Buffer.from([byte]))
}
