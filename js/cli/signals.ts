/** How a long-running command is ended. */
import { onEnd } from '../facade/index.js'

/**
 * Listens for what ends the command, and keeps the process alive until then. `asked` resolves with the word for it; `forget` ends
 * the listening of a command that came to nothing.
 */
export function end(): { asked: Promise<string>; forget: () => void } {
  let forget: () => void = () => undefined
  const asked = new Promise<string>((resolve) => {
    // Nothing else of these commands keeps the event loop alive.
    const alive = setInterval(() => undefined, 0x7fff_ffff)
    const disarm = onEnd(['SIGINT', 'SIGTERM', 'SIGHUP'], (why) => {
      // A second signal ends the process at once.
      forget()
      resolve(why)
    })
    forget = () => {
      clearInterval(alive)
      disarm()
    }
  })
  return {
    asked,
    forget: () => {
      forget()
    },
  }
}
