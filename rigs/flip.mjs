// G16: bits of a closed file are flipped, in the bodies of messages and anywhere; then it is opened again.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { hl7 } from '../__test__/support/messages.mjs'
import { by, config, door } from '../__test__/support/outbox.mjs'
import { check } from './lib/checker.mjs'
import { startAttendant } from './lib/flip/attendant.mjs'
import { digestOf, startReceiver } from './lib/receiver.mjs'

/** Flips in the bodies of one file, and anywhere in one file. */
const BODY_FLIPS_A_FILE = 100
const FLIPS_A_FILE = 10
const LANES = 40
const MESSAGES_A_LANE = 6
/** Half of them stay undamaged: the others must go on. */
const DAMAGED_LANES = 30
/** A body is found in the file by so many bytes, which occur in no other. */
const SAMPLE_BYTES = 24
const AT_ONCE = 8
const PAGE_BYTES = 4_096

export default {
  goal: 'G16',
  title: 'bit flips in stored bodies, and anywhere in the file',
  unit: 'flips',
  cycles: 1_000,
  plants: {
    resign: 'a program that knows the key of the file changes bodies and signs them anew (needs python3)',
  },
  async run({ cycles, random, folder, plant, say, signal }) {
    const figures = { messages: 0, damaged: 0, detected: 0, arrived: 0, acrossPages: 0, alarms: 0, files: 0, refused: 0, codes: {} }
    const violations = []
    const attendant = startAttendant()
    const inBodies = plant === undefined ? Math.ceil(cycles * 0.6) : cycles
    const tell = (done) => say(`${done} flips, ${figures.files} files, ${figures.detected} of ${figures.damaged} damaged bodies detected, ${violations.length} violations`)
    try {
      let done = 0
      for (let file = 0; done < inBodies && !signal.aborted; file++) {
        const flips = Math.min(BODY_FLIPS_A_FILE, inBodies - done)
        violations.push(...(await flipBodies({ flips, random: random.fork(), path: join(folder, `bodies-${file}`, 'outbox.db'), plant, attendant, figures })))
        done += flips
        if (file % 50 === 0) tell(done)
      }
      const original = done < cycles ? await sow({ path: join(folder, 'original', 'outbox.db'), random: random.fork(), lanes: 10, delivered: 30 }) : undefined
      for (let file = 0; done < cycles && !signal.aborted; file += AT_ONCE) {
        const shares = Array.from({ length: AT_ONCE }, (_, n) => Math.min(FLIPS_A_FILE, cycles - done - n * FLIPS_A_FILE)).filter((flips) => flips > 0)
        const found = await Promise.all(shares.map((flips, n) => flipAnywhere({ flips, random: random.fork(), original, path: join(folder, `anywhere-${file + n}`, 'outbox.db'), attendant, figures })))
        violations.push(...found.flat())
        done += shares.reduce((sum, flips) => sum + flips, 0)
        if (file % 400 === 0) tell(done)
      }
      tell(done)
    } finally {
      await attendant.stop()
    }
    return { figures, violations }
  },
}

/** A file with messages that wait, `delivered` ones before them; answers `{ path, texts }`, control id -> `{ lane, text, n }`. */
async function sow({ path, random, lanes, delivered = 0 }) {
  mkdirSync(dirname(path))
  const receiver = await startReceiver()
  const texts = new Map()
  const outbox = await door.Outbox.open(config(path, receiver.url, { concurrency: 8 }, { defaultDestination: 'rig', destinations: { rig: { url: receiver.url } } }))
  const make = (n) => {
    const [control, lane] = [`F${n}`, `L-${n % lanes}`]
    // Unlike any other, and some of them longer than a page.
    const note = Array.from({ length: random.pick([4, 20, 400, 1_600]) }, () => random.between(0, 0xffffffff).toString(36)).join('-')
    const text = hl7({ control, patient: lane, note })
    texts.set(control, { lane, text, n })
    return { message: text }
  }
  try {
    if (delivered > 0) {
      await outbox.enqueueHl7Batch(Array.from({ length: delivered }, (_, n) => make(n)))
      while ((await outbox.getStats()).byStatus.PENDING > 0) await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await outbox.pauseDestination('rig', by)
    await outbox.enqueueHl7Batch(Array.from({ length: lanes * MESSAGES_A_LANE }, (_, n) => make(delivered + n)))
  } finally {
    await outbox.close()
    await receiver.stop()
  }
  return { path, texts }
}

/** Flips one bit of a body in the file, wherever the file has these bytes; answers whether the body was found there. */
function flipIn(bytes, text, random) {
  const body = Buffer.from(text)
  const flipped = 1 << random.between(0, 7)
  const within = random.between(0, body.length - 1)
  const whole = placesOf(bytes, body)
  for (const at of whole) bytes[at + within] ^= flipped
  // Across pages it lies in pieces, of which one is found by bytes that stand in no other.
  for (let tries = 0; whole.length === 0 && tries < 50; tries++) {
    const from = random.between(0, body.length - SAMPLE_BYTES)
    const places = placesOf(bytes, body.subarray(from, from + SAMPLE_BYTES))
    if (places.length !== 1) continue
    bytes[places[0] + random.between(0, SAMPLE_BYTES - 1)] ^= flipped
    return true
  }
  return whole.length > 0
}

function placesOf(bytes, sample) {
  const places = []
  for (let at = bytes.indexOf(sample); at !== -1; at = bytes.indexOf(sample, at + 1)) places.push(at)
  return places
}

async function flipBodies({ flips, random, path, plant, attendant, figures }) {
  const { texts } = await sow({ path, random, lanes: LANES })
  const damaged = new Set()
  const targets = [...texts].filter(([, { lane }]) => Number(lane.slice(2)) < DAMAGED_LANES)
  if (plant === 'resign') resign(path, targets.slice(0, flips).map(([control]) => control), damaged)
  else {
    const bytes = readFileSync(path)
    for (let left = flips; left > 0; left--) {
      const [control, { text }] = random.pick(targets)
      // A second flip could undo the first.
      if (damaged.has(control) && targets.length > damaged.size) {
        left += 1
        continue
      }
      if (!flipIn(bytes, text, random)) throw new Error(`the body of ${control} was not found in the file`)
      damaged.add(control)
      if (text.length > PAGE_BYTES) figures.acrossPages += 1
    }
    writeFileSync(path, bytes)
  }
  const violations = []
  const receiver = await startReceiver()
  const alarmsBefore = attendant.alarms()
  const seen = await attendant.attend({ path, url: receiver.url, expected: endingsOf(texts, damaged), mends: true })
  await receiver.stop()
  if (seen.died !== undefined) return [`the application ended: ${seen.died}`]
  violations.push(...seen.codes.map((code) => `a call was refused: ${code}`))
  judgeStates({ seen, texts, damaged, figures, violations })
  const calls = new Map()
  for (const [control, { lane, text, n }] of texts) {
    if (!damaged.has(control)) calls.set(control, { control, lane, digest: digestOf(Buffer.from(text)), process: 'F', n, called: 0, resolved: 0, rejected: 0 })
  }
  const states = new Map(seen.after.map((message) => [message.controlId, message]))
  const found = check({ calls, arrivals: receiver.arrivals, states })
  figures.files += 1
  figures.messages += texts.size
  figures.damaged += damaged.size
  figures.arrived += found.figures.arrived
  figures.alarms += attendant.alarms() - alarmsBefore
  if (attendant.alarms() - alarmsBefore < damaged.size) violations.push(`${damaged.size} bodies are damaged, and the log told of ${attendant.alarms() - alarmsBefore}`)
  rmSync(dirname(path), { recursive: true })
  return [...violations, ...found.violations]
}

/** How many messages end before a person steps in: those before the first damaged one of each lane, and that one. */
function endingsOf(texts, damaged) {
  const stopped = new Set()
  let endings = 0
  for (const [control, { lane }] of texts) {
    if (stopped.has(lane)) continue
    endings += 1
    if (damaged.has(control)) stopped.add(lane)
  }
  return endings
}

function judgeStates({ seen, texts, damaged, figures, violations }) {
  const byControl = new Map(seen.messages.map((message) => [message.controlId, message]))
  const barrier = new Map()
  for (const [control, { lane, text }] of texts) {
    const message = byControl.get(control)
    const says = `${control} (${message?.status ?? 'unknown'}, ${message?.failure?.code ?? 'no failure'}, waits for ${message?.waitingFor ?? 'nothing'})`
    const stopper = barrier.get(lane)
    if (stopper !== undefined) {
      if (message?.status !== 'PENDING' || message.waitingFor !== 'lane' || message.blockedBy !== stopper) violations.push(`${says} stands behind a damaged message and does not say so`)
    } else if (damaged.has(control)) {
      if (message?.status !== 'FAILED' || message.failure.reason !== 'unreadable' || message.failure.code !== 'BODY_DAMAGED') violations.push(`${says} is damaged and does not say so`)
      barrier.set(lane, message?.id)
    } else if (message?.status !== 'ACKNOWLEDGED') violations.push(`${says} is undamaged, stands behind no damaged one, and was not delivered`)
    if (damaged.has(control)) {
      if (message?.contentCode === 'ERR_BODY_DAMAGED') figures.detected += 1
      else violations.push(`the content of ${control} is damaged, and asking for it came to ${message?.contentCode ?? 'bytes'}`)
    } else if (message?.content !== digestOf(Buffer.from(text))) violations.push(`the content of ${control} is not what was stored (${message?.contentCode})`)
  }
}

/** Whatever is flipped: the process lives, what it refuses has a code, and no body arrives that nobody stored. */
async function flipAnywhere({ flips, random, original, path, attendant, figures }) {
  mkdirSync(dirname(path))
  copyFileSync(original.path, path)
  const bytes = readFileSync(path)
  const places = []
  const pages = full(bytes)
  for (let left = flips; left > 0; left--) {
    // The first page says what the rest is; every tenth flip is there.
    const at = (random.chance(0.1) ? 0 : random.pick(pages)) + random.between(0, PAGE_BYTES - 1)
    places.push(at)
    bytes[at] ^= 1 << random.between(0, 7)
  }
  writeFileSync(path, bytes)
  const receiver = await startReceiver()
  const seen = await attendant.attend({ path, url: receiver.url })
  await receiver.stop()
  figures.files += 1
  rmSync(dirname(path), { recursive: true })
  const where = `flipped at ${places.join(', ')}`
  if (seen.died !== undefined) return [`the application ended, ${where}: ${seen.died}`]
  const violations = []
  const known = new Set([...original.texts.values()].map(({ text }) => digestOf(Buffer.from(text))))
  const codes = [...seen.codes, ...seen.messages.map(({ contentCode }) => contentCode).filter(Boolean)]
  for (const code of codes) figures.codes[code] = (figures.codes[code] ?? 0) + 1
  if (codes.length > 0) figures.refused += 1
  violations.push(...codes.filter((code) => !/^ERR_[A-Z_]+$/.test(code)).map((code) => `refused without a code, ${where}: ${code}`))
  // Damage is no defect of ours, and its remedy is another.
  if (codes.includes('ERR_PANIC')) violations.push(`damage was called a defect (ERR_PANIC), ${where}`)
  for (const { control, digest } of receiver.arrivals) if (!known.has(digest)) violations.push(`${control} arrived with bytes that nobody stored, ${where}`)
  for (const { controlId, content } of seen.messages) {
    if (content !== null && content !== 'none' && !known.has(content)) violations.push(`the content of ${controlId} is not what was stored, ${where}`)
  }
  return violations
}

/** Where pages begin that hold something: the room that the file sets aside is as good as empty. */
function full(bytes) {
  const pages = Array.from({ length: Math.floor(bytes.length / PAGE_BYTES) }, (_, n) => n * PAGE_BYTES)
  return pages.filter((at) => bytes.subarray(at, at + PAGE_BYTES).reduce((sum, byte) => sum + (byte === 0 ? 0 : 1), 0) > 16)
}

const RESIGN = `
import hashlib, hmac, json, sqlite3, sys
path, controls = sys.argv[1], json.loads(sys.argv[2])
file = sqlite3.connect(path)
key = file.execute("SELECT value FROM meta WHERE key = 'body_digest_key'").fetchone()[0]
for control in controls:
    seq, content = file.execute("SELECT seq, content FROM body JOIN message USING (seq) WHERE control_id = ?", (control,)).fetchone()
    content = content.replace(b'PV1|1|O', b'PV1|1|I')
    file.execute("UPDATE body SET content = ? WHERE seq = ?", (content, seq))
    file.execute("UPDATE message SET digest = ? WHERE seq = ?", (hmac.new(key, content, hashlib.sha256).digest(), seq))
file.commit()
`

function resign(path, controls, damaged) {
  const { status, error, stderr } = spawnSync('python3', ['-c', RESIGN, path, JSON.stringify(controls)], { encoding: 'utf8' })
  if (error?.code === 'ENOENT') throw Object.assign(new Error('python3 is missing'), { hint: 'apt-get install python3' })
  if (status !== 0) throw new Error(`the bodies could not be signed anew: ${stderr}`)
  for (const control of controls) damaged.add(control)
}
