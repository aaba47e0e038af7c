/** Asking the handler, and commanding it. */
import { createContext } from 'preact'
import { useCallback, useContext, useEffect, useState } from 'preact/hooks'

import type { Session } from './types.ts'
import type { Words } from './words.ts'

const base = document.documentElement.dataset.base ?? ''
let token = ''

export class Failed extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string | null = null,
  ) {
    super(message)
  }
}

async function send<T>(path: string, init: RequestInit): Promise<T> {
  let response: Response
  let body: unknown
  try {
    response = await fetch(`${base}/api/${path}`, { credentials: 'same-origin', cache: 'no-store', ...init })
    body = await response.json()
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new Failed(0, 'CONNECTION', 'connection lost')
  }
  if (response.ok) return body as T
  const { code = 'UNKNOWN', message = '', hint = null } = (body as { error?: { code?: string; message?: string; hint?: string | null } }).error ?? {}
  throw new Failed(response.status, code, message, hint)
}

export const ask = <T>(path: string, signal?: AbortSignal): Promise<T> => send<T>(path, { signal: signal ?? null })

export const command = <T>(path: string, body: object): Promise<T> =>
  send<T>(path, { method: 'POST', headers: { 'content-type': 'application/json', 'x-hl7-outbox-token': token }, body: JSON.stringify(body) })

export async function session(): Promise<Session> {
  const found = await ask<Session>('session')
  token = found.token
  return found
}

/** Tells when something may have changed, and whether the line is up. The browser connects again by itself. */
export function follow(changed: () => void, live: (up: boolean) => void, ended: () => void): () => void {
  const source = new EventSource(`${base}/api/events`)
  source.addEventListener('open', () => {
    live(true)
    changed()
  })
  source.addEventListener('changed', changed)
  let again: number | undefined
  source.addEventListener('error', () => {
    live(false)
    // An answer that is no stream (a session that has expired) ends it for good: the page finds out why.
    if (source.readyState === EventSource.CLOSED) again ??= window.setTimeout(ended, 3_000)
  })
  return () => {
    clearTimeout(again)
    source.close()
  }
}

export function explain(words: Words, error: unknown): string {
  if (!(error instanceof Failed)) return words.say('failedTo', { message: String(error) })
  if (error.code === 'CONNECTION') return words.say('connectionLost')
  if (error.code === 'DENIED') return words.say('sessionExpired')
  if (error.code === 'FORGED') return words.say('forged')
  if (error.code === 'ERR_QUERY_TIMEOUT') return words.say('tooLong')
  return words.named(`code.${error.code}`, words.say('failedTo', { message: `${error.message}${error.hint === null ? '' : ` ${error.hint}`} (${error.code})` }))
}

export const Tick = createContext(0)

export interface Asked<T> {
  data: T | null
  error: unknown
  again: () => void
}

/** The answer to a question, asked again when something has changed; the old answer stays until the new one is there. */
export function useAsk<T>(path: string, stays = false): Asked<T> {
  const tick = useContext(Tick)
  const [state, set] = useState<{ path: string; data: T | null; error: unknown }>({ path, data: null, error: null })
  const [own, bump] = useState(0)
  const again = useCallback(() => bump((n) => n + 1), [])
  const live = stays ? 0 : tick
  useEffect(() => {
    const gone = new AbortController()
    ask<T>(path, gone.signal).then(
      (data) => set({ path, data, error: null }),
      (error: unknown) => {
        if (!gone.signal.aborted) set((old) => ({ path, data: old.path === path ? old.data : null, error }))
      },
    )
    return () => gone.abort()
  }, [path, live, own])
  return { data: state.path === path ? state.data : null, error: state.path === path ? state.error : null, again }
}
