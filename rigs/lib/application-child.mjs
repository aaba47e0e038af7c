// The application itself: enqueues for some patients, repeats what was refused with the same bytes, and says what it does.
//   load: { lanes: [patient, …], burst, pauseMs, most }  calls at once per patient, pause between bursts, most messages
//   load.isTrusting: a planted fault: takes every rejection for a success
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { hl7 } from '../../__test__/support/messages.mjs'
import { now } from './clock.mjs'
import { digestOf } from './receiver.mjs'

const { name, config, load, door: where } = JSON.parse(process.argv[2])
const door = await import(pathToFileURL(where ?? join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'index.mjs')).href)

/** Written at once: what was said before a kill is in the pipe. */
function say(...words) {
  const line = Buffer.from(`${JSON.stringify(words)}\n`)
  for (let from = 0; from < line.length; ) {
    try {
      from += writeSync(1, line, from)
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
    }
  }
}

let isQuiet = load === undefined
let isResting = false
let number = 0
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Stores one message, as often as it takes. */
async function store(patient) {
  const control = `${name}N${(number++).toString(36).toUpperCase().padStart(5, '0')}`
  const text = hl7({ control, patient, bytes: load.bytes ?? 0 })
  const digest = digestOf(Buffer.from(text))
  for (;;) {
    say('call', control, patient, digest, now())
    try {
      const { id } = await door.enqueueHl7(text)
      return say('resolved', control, id, now())
    } catch (error) {
      if (load.isTrusting) return say('resolved', control, '', now())
      say('rejected', control, error.code, now())
      if (error.code === 'ERR_STOPPED') return
      await pause(20)
    }
  }
}

async function lane(patient) {
  while (!isQuiet && number < (load.most ?? Infinity)) {
    if (!isResting) await Promise.all(Array.from({ length: 1 + Math.floor(Math.random() * (load.burst ?? 3)) }, () => store(patient)))
    await pause(Math.random() * (load.pauseMs ?? 5))
  }
}

async function start() {
  for (;;) {
    try {
      return await door.startOutbox(config)
    } catch (error) {
      say('rejected-start', '', error.code)
      if (load?.startOnce) throw error
      await pause(20)
    }
  }
}

let working = Promise.resolve()
createInterface({ input: process.stdin }).on('line', async (line) => {
  const [, n, method, args] = JSON.parse(line)
  let answer
  try {
    if (method === 'rest') {
      isResting = args[0]
      answer = {}
    } else if (method === 'quiet') {
      isQuiet = true
      await working
      answer = {}
    } else {
      answer = { value: await door[method](...args) }
    }
  } catch (error) {
    answer = { error: error.code ?? 'UNKNOWN', message: error.message }
  }
  say('answer', n, answer)
})
await start()
say('ready', name)
if (load !== undefined) working = Promise.all(load.lanes.map(lane))
