/** The admin page: who is here, which room is shown, and what keeps it up to date. */
import { render, type JSX } from 'preact'
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'

import { explain, follow, session as askSession, Tick } from './api.ts'
import { List } from './list.tsx'
import { Room } from './message.tsx'
import { Glance } from './overview.tsx'
import { Dialog } from './parts.tsx'
import { Worklist } from './refusals.tsx'
import { to, usePlace, type Place } from './route.ts'
import type { Session } from './types.ts'
import { InWords, keep, keptLanguage, useWords, wordsOf, type Language } from './words.ts'
import './style.css'

function App(): JSX.Element {
  const [language, setLanguage] = useState<Language>(keptLanguage)
  const words = useMemo(() => wordsOf(language), [language])
  const [session, setSession] = useState<Session | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [tick, setTick] = useState(0)
  const [live, setLive] = useState(false)
  useEffect(() => {
    document.documentElement.lang = language
    document.documentElement.dir = language === 'ar' ? 'rtl' : 'ltr'
    document.title = words.say('title')
  }, [language])
  useEffect(() => {
    let stop: (() => void) | undefined
    let over = false
    // A stream that ended for good is begun again by asking anew who is here; that also tells when a session has expired.
    const begin = (): void => {
      askSession().then(
        (found) => {
          if (over) return
          setSession(found)
          setError(null)
          stop?.()
          stop = follow(() => setTick((n) => n + 1), setLive, begin)
        },
        (failed: unknown) => {
          if (over) return
          setError(failed)
          window.setTimeout(begin, 5_000)
        },
      )
    }
    begin()
    return () => {
      over = true
      stop?.()
    }
  }, [])
  const choose = (next: Language): void => {
    keep(next)
    setLanguage(next)
  }
  return (
    <InWords.Provider value={words}>
      <Tick.Provider value={tick}>
        {error === null ? null : (
          <p class="trouble" role="alert">
            {explain(words, error)}
          </p>
        )}
        {session === null ? <main>{error === null ? <p role="status">{words.say('loading')}</p> : null}</main> : <Shell session={session} live={live && error === null} language={language} onLanguage={choose} />}
      </Tick.Provider>
    </InWords.Provider>
  )
}

const ROOMS = ['overview', 'messages', 'refusals'] as const

function Shell({ session, live, language, onLanguage }: { session: Session; live: boolean; language: Language; onLanguage: (language: Language) => void }): JSX.Element {
  const { say } = useWords()
  const place = usePlace()
  const [helping, help] = useState(false)
  const main = useRef<HTMLElement>(null)
  const first = useRef(true)
  const seeking = useRef(false)
  const seek = (): void => {
    seeking.current = false
    const field = document.querySelector<HTMLInputElement>('input[name="controlId"]')
    field?.closest('details')?.setAttribute('open', '')
    field?.focus()
  }
  // With the change itself and not after it is painted: a key pressed in between is for the room that is seen.
  useLayoutEffect(() => {
    // Whoever listens to the page hears that the room has changed.
    if (seeking.current && place.room === 'messages') seek()
    else if (!first.current) main.current?.focus()
    first.current = false
  }, [place.room, place.id])
  useLayoutEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const { target } = event
      const types = target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName))
      if (types || event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]') !== null) return
      const room = ROOMS.find((each) => each.startsWith(event.key))
      if (event.key.length === 1 && room !== undefined) location.hash = to(room)
      else if (event.key === '?') help(true)
      else if (event.key === '/') {
        event.preventDefault()
        if (place.room === 'messages') return seek()
        seeking.current = true
        location.hash = to('messages')
      }
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  }, [place])
  const tags = Object.entries(session.tags ?? {}).map(([key, value]) => `${key}=${value}`)
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        {say('toContent')}
      </a>
      <header>
        <strong>{say('title')}</strong>
        <nav aria-label={say('title')}>
          {ROOMS.map((room) => (
            <a key={room} href={to(room)} aria-current={place.room === room ? 'page' : undefined}>
              {say(room)}
            </a>
          ))}
        </nav>
        <span class="who">
          {say('signedInAs', { actor: session.actor })}
          {tags.length === 0 ? '' : ` (${say('onlyTags', { tags: tags.join(', ') })})`}
        </span>
        <span role="status" class={live ? 'live' : 'live not'}>
          {say(live ? 'live' : 'notLive')}
        </span>
        <label class="language">
          <span class="unseen">{say('language')}</span>
          <select value={language} onChange={(event) => onLanguage(event.currentTarget.value as Language)}>
            <option value="en" lang="en">
              English
            </option>
            <option value="ar" lang="ar">
              العربية
            </option>
          </select>
        </label>
        <button type="button" aria-label={say('keys')} onClick={() => help(true)}>
          ?
        </button>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <Shown session={session} place={place} />
      </main>
      {helping ? (
        <Dialog title={say('keys')} onClose={() => help(false)}>
          <p>{say('keysAbout')}</p>
        </Dialog>
      ) : null}
    </>
  )
}

function Shown({ session, place }: { session: Session; place: Place }): JSX.Element {
  if (place.room === 'messages') return <List session={session} query={place.query} />
  if (place.room === 'message') return <Room key={place.id} session={session} id={place.id} />
  if (place.room === 'refusals') return <Worklist session={session} query={place.query} />
  return <Glance session={session} />
}

const app = document.getElementById('app')
if (app !== null) {
  app.replaceChildren()
  render(<App />, app)
}
