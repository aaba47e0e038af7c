/** How a long-running command is ended. */
import { onEnd } from '../facade/index.js'

/** Resolves with the word for what ended it. Keeps the process alive until then. */
export function ended(): Promise<string> {
  return new Promise((resolve) => {
    // Nothing else of these commands keeps the event loop alive.
    const alive = setInterval(() => undefined, 0x7fff_ffff)
    // A second signal ends the process at once.
    const disarm = onEnd(['SIGINT', 'SIGTERM', 'SIGHUP'], (why) => {
      clearInterval(alive)
      disarm()
      resolve(why)
    })
  })
}
