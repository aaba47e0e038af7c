// Enqueues as fast as the file takes it, in several loops that each wait for their message, and says how long each waited.
import { createInterface } from 'node:readline'

import { hl7 } from '../../__test__/support/messages.mjs'
import { enqueueHl7, startOutbox, stopOutbox } from '../../index.mjs'

const { name, config, loops } = JSON.parse(process.argv[2])
/** Microseconds each, in the order of the calls' ends. */
const waits = []
let refused = 0
let number = 0
let isOver = false

async function loop() {
  while (!isOver) {
    const control = `${name}N${(number++).toString(36).toUpperCase().padStart(6, '0')}`
    const began = performance.now()
    try {
      await enqueueHl7(hl7({ control, patient: control }))
      waits.push(Math.round((performance.now() - began) * 1_000))
    } catch {
      refused += 1
    }
  }
}

await startOutbox(config)
let working
createInterface({ input: process.stdin }).on('line', async (line) => {
  if (line === 'go') working = Promise.all(Array.from({ length: loops }, loop))
  if (line !== 'end') return
  isOver = true
  await working
  await stopOutbox()
  // Every number below `number` was resolved or refused.
  process.stdout.write(`${JSON.stringify({ waits, refused, number })}\n`, () => process.exit())
})
process.stdout.write('ready\n')
