// The door of the fault build (RIG_DOOR), and beside it what only a process of its own can do: listen to changes.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const real = await import(pathToFileURL(process.env.RIG_DOOR).href)

export const {
  cancelMessages, configureDestination, countMessages, enqueueHl7, enqueueHl7Batch, getAnswer, getAttempts, getHealth, getMessage, getMessageContent, getStats,
  holdMessages, listMessages, listRefusals, pauseDestination, purgeMessages, releaseMessages, replaceMessage, resendMessages, resetDestination, resumeDestination,
  retryMessages, startOutbox, stopOutbox,
} = real

/** Says what is to happen at a point from now on, in the words of the crate `fail`. */
export function setFault(point, actions) {
  return createRequire(import.meta.url)(process.env.RIG_ADDON).setFault(point, actions)
}

const told = new Set()
const codes = new Map()
let heard = 0
let isOver = false
let consuming

/** Reads the changes under a name from now on, and goes on after every failure, as an application should. */
export function consume() {
  consuming = (async () => {
    while (!isOver) {
      const ended = new AbortController()
      const looking = setInterval(() => isOver && ended.abort(), 20)
      try {
        for await (const { to, controlId } of real.statusChanges({ consumer: 'rig', signal: ended.signal })) if (to === 'ACKNOWLEDGED') told.add(controlId)
      } catch (error) {
        codes.set(error.code ?? error.message, (codes.get(error.code ?? error.message) ?? 0) + 1)
        await new Promise((resolve) => setTimeout(resolve, 20))
      } finally {
        clearInterval(looking)
      }
    }
  })()
}

/** Ends that; resolves when it has. */
export async function endConsume() {
  isOver = true
  await consuming
}

/** What it was told so far. */
export const consumed = () => ({ told: [...told], codes: [...codes.keys()], heard })

/** Listens to changes; every third time the listener throws. */
export function listen() {
  real.onStatusChange(() => {
    heard += 1
    if (heard % 3 === 0) throw new Error('a listener that throws')
  })
}
