// A disk in memory behind an NBD server (the fixed newstyle handshake, simple replies). It keeps what was flushed, and of the
// rest whatever the cut that is asked for leaves. A process of its own: who mounts the disk may block in the kernel until the
// disk has answered.
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'

import { now } from './clock.mjs'
import { Random } from './random.mjs'

const SECTOR = 512
const HAS_FLAGS = 1
const SEND_FLUSH = 4
const SEND_FUA = 8
const FUA = 1
const [READ, WRITE, DISCONNECT, FLUSH] = [0, 1, 2, 3]
const EINVAL = 22
const CHUNK = 1 << 16
const FAILURES_TOLD_MAX = 10_000
const empty = Buffer.alloc(CHUNK)

const disk = readFileSync(process.argv[2])
/** All that happened: `{ kind, offset, data, at, covers }`; a flush covers the writes before the index `covers`. */
const log = []
/** Faults to make: `{ kind, after, times, errno }`; `after` requests of that kind pass, then `times` fail. */
let faults = []
const counts = { read: 0, write: 0, flush: 0, failed: 0, failedAt: [] }

/** The state at the cut that was computed last, which later cuts go on from. */
const kept = { base: Buffer.from(disk), index: 0, open: [] }
const image = Buffer.alloc(disk.length)

function faultOf(kind) {
  for (const fault of faults) {
    if (fault.kind !== kind) continue
    if (fault.after > 0) fault.after -= 1
    else if (fault.times > 0) {
      fault.times -= 1
      counts.failed += 1
      if (counts.failedAt.length < FAILURES_TOLD_MAX) counts.failedAt.push(now())
      return fault.errno
    }
  }
  return 0
}

/** Carries out one request; `answered` is the length of the log when the client last heard an answer. */
function carryOut(type, flags, offset, length, data, answered) {
  if (type === READ) {
    counts.read += 1
    const errno = faultOf('read')
    return { errno, data: errno === 0 ? disk.subarray(offset, offset + length) : undefined }
  }
  if (type === WRITE) {
    counts.write += 1
    const errno = faultOf('write')
    // Of a write that failed nothing is on the disk: a half of it would need a repair of the file system by hand.
    if (errno === 0) {
      data.copy(disk, offset)
      log.push({ kind: 'write', offset, data, at: now(), isForced: (flags & FUA) !== 0 })
    }
    return { errno }
  }
  if (type === FLUSH) {
    counts.flush += 1
    const errno = faultOf('flush')
    // What the client had no answer to yet when it asked for the flush is not covered by it.
    if (errno === 0) log.push({ kind: 'flush', covers: answered, at: now() })
    return { errno }
  }
  return { errno: EINVAL }
}

/** Computes the disk after a cut behind the first `index` entries of the log; `loss` says what becomes of what was not flushed. */
function imageAt(index, loss, seed, isLying) {
  if (index < kept.index) throw new Error('cuts are asked for in their order')
  for (; kept.index < index; kept.index++) {
    const entry = log[kept.index]
    if (entry.kind === 'write') {
      if (entry.isForced) entry.data.copy(kept.base, entry.offset)
      else kept.open.push({ ...entry, index: kept.index })
    } else if (!isLying) {
      for (const write of kept.open) if (write.index < entry.covers) write.data.copy(kept.base, write.offset)
      kept.open = kept.open.filter((write) => write.index >= entry.covers)
    }
  }
  kept.base.copy(image)
  const random = new Random(seed)
  const share = random.unit()
  const first = random.between(0, kept.open.length)
  let lost = 0
  for (const [n, write] of kept.open.entries()) {
    if (loss === 'sectors') {
      for (let from = 0; from < write.data.length; from += SECTOR) {
        if (random.chance(share)) write.data.copy(image, write.offset + from, from, from + SECTOR)
        else lost += 1
      }
    } else if (loss === 'none' || (loss === 'tail' && n < first) || (loss === 'writes' && random.chance(share))) {
      write.data.copy(image, write.offset)
    } else lost += Math.ceil(write.data.length / SECTOR)
  }
  return { lost, open: kept.open.length }
}

/** Most of it is empty, and holes are not written. */
function writeSparse(to) {
  const file = openSync(to, 'w')
  for (let from = 0; from < image.length; from += CHUNK) {
    const piece = image.subarray(from, from + CHUNK)
    if (!piece.equals(empty)) writeSync(file, piece, 0, piece.length, from)
  }
  ftruncateSync(file, image.length)
  closeSync(file)
}

function serve(socket) {
  let buffer = Buffer.alloc(0)
  let step = clientFlags
  let answered = log.length
  let hasNoZeroes = false
  socket.on('error', () => socket.destroy())
  socket.write(Buffer.concat([Buffer.from('NBDMAGICIHAVEOPT'), u16(3)]))
  socket.on('data', (piece) => {
    buffer = buffer.length === 0 ? piece : Buffer.concat([buffer, piece])
    answered = log.length
    while (step !== null) {
      const used = step()
      if (used === 0) break
      buffer = buffer.subarray(used)
    }
  })

  function clientFlags() {
    if (buffer.length < 4) return 0
    hasNoZeroes = (buffer.readUInt32BE(0) & 2) !== 0
    step = option
    return 4
  }

  function option() {
    if (buffer.length < 16) return 0
    const [which, length] = [buffer.readUInt32BE(8), buffer.readUInt32BE(12)]
    if (buffer.length < 16 + length) return 0
    const reply = (type, data = Buffer.alloc(0)) =>
      socket.write(Buffer.concat([Buffer.from('0003e889045565a9', 'hex'), u32(which), u32(type), u32(data.length), data]))
    const flags = HAS_FLAGS | SEND_FLUSH | SEND_FUA
    if (which === 1) {
      socket.write(Buffer.concat([u64(disk.length), u16(flags), Buffer.alloc(hasNoZeroes ? 0 : 124)]))
      step = request
    } else if (which === 2) {
      reply(1)
      socket.end()
      step = null
    } else if (which === 6 || which === 7) {
      reply(3, Buffer.concat([u16(0), u64(disk.length), u16(flags)]))
      reply(3, Buffer.concat([u16(3), u32(SECTOR), u32(4096), u32(32 << 20)]))
      reply(1)
      if (which === 7) step = request
    } else reply(0x80000001)
    return 16 + length
  }

  function request() {
    if (buffer.length < 28) return 0
    const [flags, type, offset, length] = [buffer.readUInt16BE(4), buffer.readUInt16BE(6), Number(buffer.readBigUInt64BE(16)), buffer.readUInt32BE(24)]
    const size = 28 + (type === WRITE ? length : 0)
    if (buffer.length < size) return 0
    if (type === DISCONNECT) {
      socket.end()
      step = null
      return size
    }
    // A copy: the buffer is a piece of one that is used again.
    const data = type === WRITE ? Buffer.from(buffer.subarray(28, size)) : undefined
    const { errno, data: found } = carryOut(type, flags, offset, length, data, answered)
    const head = Buffer.concat([u32(0x67446698), u32(errno), buffer.subarray(8, 16)])
    socket.write(found === undefined ? head : Buffer.concat([head, found]))
    return size
  }
}

const u16 = (value) => Buffer.from([value >> 8, value & 255])
function u32(value) {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
function u64(value) {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

const calls = {
  log: () => ({ kinds: log.map(({ kind }) => kind), times: log.map(({ at }) => at) }),
  counts: () => counts,
  faults: (next) => (faults = next),
  cut({ index, loss, seed, isLying, to }) {
    const found = imageAt(Math.min(index, log.length), loss, seed, isLying)
    writeSparse(to)
    return found
  },
}

process.on('message', ([n, method, argument]) => {
  try {
    process.send([n, null, calls[method](argument)])
  } catch (error) {
    process.send([n, error.message])
  }
})
// Whoever started it has gone, perhaps without a word.
process.on('disconnect', () => process.exit())
createServer(serve).listen(process.argv[3], () => process.send(['listening']))
