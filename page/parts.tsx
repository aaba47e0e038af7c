/** Small parts that all rooms use. */
import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'

import { explain, type Asked } from './api.ts'
import { to, toMessage } from './route.ts'
import type { Message, Status } from './types.ts'
import { useWords, type Key } from './words.ts'

/** What comes from a message or a program, in its own direction. */
export const Data = ({ children }: { children: ComponentChildren }): JSX.Element => (
  <bdi class="data" dir="ltr">
    {children}
  </bdi>
)

export function State({ status, inFlight = false }: { status: Status; inFlight?: boolean }): JSX.Element {
  const { say } = useWords()
  return (
    <span class={`state ${status}`}>
      {say(status)}
      {inFlight ? `, ${say('inFlight')}` : ''}
    </span>
  )
}

export const Link = ({ message }: { message: Message }): JSX.Element => (
  <a href={toMessage(message.id)}>
    <Data>{message.controlId}</Data>
  </a>
)

export function Reference({ id }: { id: string }): JSX.Element {
  const { say } = useWords()
  if (id === 'another') return <span>{say('another')}</span>
  return (
    <a href={toMessage(id)}>
      <Data>{id}</Data>
    </a>
  )
}

/** The answer to a question, or why there is none. An old answer stays in view while its renewal fails. */
export function Answer<T>({ of, children }: { of: Asked<T>; children: (data: T) => ComponentChildren }): JSX.Element {
  const words = useWords()
  return (
    <>
      {of.error === null ? null : (
        <p class="trouble" role="alert">
          {explain(words, of.error)}{' '}
          <button type="button" onClick={of.again}>
            {words.say('tryAgain')}
          </button>
        </p>
      )}
      {of.data === null ? of.error === null ? <p role="status">{words.say('loading')}</p> : null : children(of.data)}
    </>
  )
}

export function Facts({ items }: { items: [Key, ComponentChildren][] }): JSX.Element {
  const { say } = useWords()
  return (
    <dl class="facts">
      {items.map(([key, value]) => (
        <div key={key}>
          <dt>{say(key)}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

export function Input({ label, hint, ...rest }: { label: string; hint?: string } & JSX.InputHTMLAttributes<HTMLInputElement>): JSX.Element {
  const id = useId()
  return (
    <div class="input">
      <label for={id}>{label}</label>
      <input id={id} {...rest} {...(hint === undefined ? {} : { 'aria-describedby': `${id}-hint` })} />
      {hint === undefined ? null : (
        <small id={`${id}-hint`} dir="auto">
          {hint}
        </small>
      )}
    </div>
  )
}

/** A dialogue of the browser's own: it keeps the focus, Escape closes it, and the rest of the page is out of reach meanwhile. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  const { say } = useWords()
  useEffect(() => {
    const before = document.activeElement
    dialog.current?.showModal()
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [])
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={onClose}>
      <h2 id={id}>{title}</h2>
      {children}
      <button type="button" class="close" onClick={onClose} aria-label={say('close')}>
        ×
      </button>
    </dialog>
  )
}

/** What is no dead letter and still worth a look. */
export function LookAt(): JSX.Element {
  const { say } = useWords()
  return (
    <nav aria-label={say('lookAt')} class="row">
      <strong>{say('lookAt')}:</strong>
      <a href={to('messages', { warning: 'true' })}>{say('withWarning')}</a>
      <a href={to('messages', { status: 'SENT' })}>{say('sentOnly')}</a>
      <a href={to('messages', { possibleDuplicate: 'true' })}>{say('duplicates')}</a>
    </nav>
  )
}

/** A table that may be wider than a phone: it scrolls by itself, also with the keys. */
export const Wide = ({ label, children }: { label: string; children: ComponentChildren }): JSX.Element => (
  <div class="wide" role="region" aria-label={label} tabIndex={0}>
    {children}
  </div>
)
