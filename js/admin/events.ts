/**
 * Live updates, as server-sent events. An event says only that something may have changed, and the page asks again, within
 * its person's limits. Changes of this process ring at once; those of others show in the figures, looked at now and then.
 */
import { maySee, Refusal, type Access } from './access.js'
import { stream } from './http.js'
import { figures, keyOf, standings, type Kept } from './overview.js'
import type { Surface } from './surface.js'

const STREAMS_MAX = 100
/** Many changes make one event. */
const GATHER_MS = 500
const LOOK_EVERY_MS = 4_000
/** Then the browser comes again, and is asked again who it is. */
const STREAM_MS_MAX = 120_000

export class Streams {
  #open = 0
  readonly #bells = new Map<() => void, string>()

  /** Something that no message tells of changed for those with the same limits. */
  ring(access: Access): void {
    const limits = keyOf(access)
    for (const [bell, of] of this.#bells) {
      if (of === limits) bell()
    }
  }

  open(outbox: Surface, access: Access, kept: Kept, signal: AbortSignal): Response {
    if (this.#open >= STREAMS_MAX) throw new Refusal(503, 'TOO_MANY_STREAMS', 'too many pages are open; this one is not updated by itself')
    this.#open++
    let end: () => void = () => undefined
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const followed = follow(outbox, access, kept, controller, () => {
          this.#open--
          this.#bells.delete(followed.ring)
        })
        this.#bells.set(followed.ring, keyOf(access))
        end = followed.end
        signal.addEventListener('abort', end, { once: true })
        if (signal.aborted) end()
      },
      cancel: () => {
        end()
      },
    })
    return stream(body)
  }
}

function follow(outbox: Surface, access: Access, kept: Kept, controller: ReadableStreamDefaultController<Uint8Array>, ended: () => void): { end: () => void; ring: () => void } {
  let isOver = false
  // A look that was under way when the page went comes back to a stream that is closed, which throws.
  const say = (text: string): void => {
    if (!isOver) controller.enqueue(Buffer.from(text))
  }
  let gathering: NodeJS.Timeout | undefined
  const ring = (): void => {
    if (isOver) return
    gathering ??= setTimeout(() => {
      gathering = undefined
      say('event: changed\ndata: {}\n\n')
    }, GATHER_MS)
  }
  const unsubscribe = outbox.onStatusChange((change) => {
    if (maySee(access, change.tags)) ring()
  })
  let last: string | undefined
  const look = setInterval(() => {
    Promise.all([figures(outbox, access, kept), standings(outbox, kept)]).then(
      ([stats, destinations]) => {
        const now = JSON.stringify([stats?.byDestination, stats?.lastAttemptAt, destinations])
        if (last !== undefined && last !== now) ring()
        last = now
        say(': still here\n\n')
      },
      // The outbox was stopped, or its disk failed: the page comes again and is told by its next question.
      () => {
        end()
      },
    )
  }, LOOK_EVERY_MS)
  const late = setTimeout(() => {
    end()
  }, STREAM_MS_MAX)
  for (const timer of [look, late]) timer.unref()
  const end = (): void => {
    if (isOver) return
    isOver = true
    clearInterval(look)
    clearTimeout(late)
    clearTimeout(gathering)
    unsubscribe()
    ended()
    try {
      controller.close()
    } catch {
      // The browser went first.
    }
  }
  say('retry: 3000\nevent: open\ndata: {}\n\n')
  return { end, ring }
}
