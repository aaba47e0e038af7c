/** How a long-running command is ended: by a signal, or on Windows by PM2's message. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Resolves with the word for what ended it, or that it is over by itself. Keeps the process alive until then. */
export function ended(over?: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    // Nothing else of these commands keeps the event loop alive.
    const alive = setInterval(() => undefined, 0x7fff_ffff)
    const end = (why: string): void => {
      clearInterval(alive)
      for (const signal of SIGNALS) process.removeListener(signal, end)
      process.removeListener('message', onMessage)
      resolve(why)
    }
    over?.addEventListener('abort', () => {
      end('over')
    })
    const onMessage = (message: unknown): void => {
      if (message === 'shutdown') end('shutdown message')
    }
    for (const signal of SIGNALS) process.on(signal, end)
    process.on('message', onMessage)
  })
}
