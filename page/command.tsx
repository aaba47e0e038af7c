/** Giving a command: what it means, why it is given, and what came of it. */
import type { JSX } from 'preact'
import { useRef, useState } from 'preact/hooks'

import { command, explain } from './api.ts'
import { Data, Dialog, Reference } from './parts.tsx'
import type { Changed, Message, Status } from './types.ts'
import { useWords, type Key } from './words.ts'

export const COMMANDS = ['retry', 'cancel', 'hold', 'release', 'resend', 'purge'] as const
export type Command = (typeof COMMANDS)[number]
const FITS: Record<Command, Status[]> = {
  retry: ['PENDING', 'FAILED', 'CANCELLED'],
  cancel: ['PENDING', 'HELD', 'FAILED'],
  hold: ['PENDING'],
  release: ['HELD'],
  resend: ['SENT', 'ACKNOWLEDGED'],
  purge: ['PENDING', 'HELD', 'SENT', 'ACKNOWLEDGED', 'FAILED', 'CANCELLED'],
}
const OVERTAKING: readonly string[] = ['retry', 'release', 'resend']

/** Which commands can mean anything for messages in these states. */
export const fitting = (may: readonly string[], states: Iterable<Status>): Command[] => {
  const all = [...states]
  return COMMANDS.filter((each) => may.includes(each) && all.some((state) => FITS[each].includes(state)))
}

export interface Target {
  /** Named ones, as they were shown; or everything that a filter matches. */
  messages?: Message[]
  filter?: Record<string, unknown>
}

export function Buttons({ commands, onChoose }: { commands: readonly Command[]; onChoose: (command: Command) => void }): JSX.Element {
  const { say } = useWords()
  return (
    <>
      {commands.map((each) => (
        <button key={each} type="button" class={each === 'purge' || each === 'cancel' ? 'grave' : ''} onClick={() => onChoose(each)}>
          {say(each)}
        </button>
      ))}
    </>
  )
}

export function Give({ name, target, onDone, onClose }: { name: Command; target: Target; onDone: (changed: Changed) => void; onClose: () => void }): JSX.Element {
  const { say, number } = useWords()
  const unbounded = target.filter !== undefined && Object.keys(target.filter).every((key) => key === 'to')
  const [overtaken, setOvertaken] = useState(false)
  const [all, setAll] = useState(false)
  const [done, setDone] = useState<Changed | null>(null)
  const stopped = useRef(false)
  const what = target.messages === undefined ? say('selectMatching') : say('selected', { n: number(target.messages.length) })
  return (
    <Reasoned
      title={`${say(name)}: ${what}`}
      about={say(`about.${name}`)}
      action={say(name)}
      blocked={unbounded && !all}
      onClose={() => {
        // What is under way ends after its present part; what that part changed is told.
        stopped.current = true
        if (done === null) onClose()
        else onDone(done)
      }}
      give={async (reason) => {
        const { messages, filter } = target
        const meant = messages === undefined ? { filter, all } : { messages: messages.map(({ id, updatedAt }) => ({ id, updatedAt })) }
        let so: Changed = { changed: [], unchanged: [], count: 0 }
        do {
          const part = await command<Changed>('command', { command: name, reason, allowOvertaken: overtaken, ...meant, ...(so.next == null ? {} : { cursor: so.next }) })
          so = { changed: [], unchanged: [...so.unchanged, ...part.unchanged].slice(0, LISTED + 1), count: so.count + part.count, next: part.next ?? null }
          setDone(so)
        } while (so.next != null && !stopped.current)
        if (!stopped.current) onDone(so)
      }}
    >
      {done === null ? null : (
        <p role="status">
          <strong>{say('changedCount', { n: number(done.count) })}</strong>
        </p>
      )}
      {OVERTAKING.includes(name) ? (
        <label class="check">
          <input type="checkbox" checked={overtaken} onChange={(event) => setOvertaken(event.currentTarget.checked)} /> {say('allowOvertaken')}
        </label>
      ) : null}
      {unbounded ? (
        <label class="check">
          <input type="checkbox" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} /> {say('really')}
        </label>
      ) : null}
    </Reasoned>
  )
}

interface ReasonedProps {
  title: string
  about: string
  action: string
  blocked?: boolean
  give: (reason: string) => Promise<void>
  onClose: () => void
  children?: JSX.Element | (JSX.Element | null)[] | null
}

export function Reasoned({ title, about, action, blocked = false, give, onClose, children }: ReasonedProps): JSX.Element {
  const words = useWords()
  const [reason, setReason] = useState('')
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (busy) return
    if (reason.trim() === '') return setError(words.say('reasonNeeded'))
    setBusy(true)
    try {
      await give(reason.trim())
    } catch (failed) {
      setError(explain(words, failed))
      setBusy(false)
    }
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit}>
        <p>{about}</p>
        {children}
        <label class="input">
          {words.say('commandReason')}
          <input dir="auto" required maxLength={500} value={reason} onInput={(event) => setReason(event.currentTarget.value)} autofocus />
        </label>
        {error === null ? null : (
          <p class="trouble" role="alert">
            {error}
          </p>
        )}
        <p class="row">
          <button type="submit" class="main" disabled={busy || blocked}>
            {action}
          </button>
          <button type="button" onClick={onClose}>
            {words.say('dismiss')}
          </button>
        </p>
      </form>
    </Dialog>
  )
}

const LISTED = 20

/** What changed, what did not, and why not. */
export function Outcome({ changed, onClose }: { changed: Changed; onClose: () => void }): JSX.Element {
  const { say, number, named } = useWords()
  const { unchanged } = changed
  return (
    <section class="outcome" role="status">
      <p>
        <strong>{say('changedCount', { n: number(changed.count) })}</strong>
        {unchanged.length === 0 ? null : <> · {say('unchangedCount', { n: number(unchanged.length) })}</>}
      </p>
      {unchanged.length === 0 ? null : (
        <ul>
          {unchanged.slice(0, LISTED).map(({ id, code }) => (
            <li key={id}>
              <Reference id={id} />: {named(`code.${code}`, code)} <Data>({code})</Data>
            </li>
          ))}
          {unchanged.length > LISTED ? <li>…</li> : null}
        </ul>
      )}
      <button type="button" onClick={onClose}>
        {say('close' satisfies Key)}
      </button>
    </section>
  )
}
