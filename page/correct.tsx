/** Correcting a refused message, checking the correction, putting it in its place. */
import type { JSX } from 'preact'
import { useId, useState } from 'preact/hooks'

import { command, explain } from './api.ts'
import { Data, Dialog, Reference } from './parts.tsx'
import type { Finding, Message } from './types.ts'
import { useWords } from './words.ts'

export function Correct({ message, text, onClose, onDone }: { message: Message; text: string; onClose: () => void; onDone: () => void }): JSX.Element {
  const words = useWords()
  const { say } = words
  const id = useId()
  const [corrected, setCorrected] = useState(text.replaceAll('\r', '\n'))
  const [reason, setReason] = useState('')
  const [findings, setFindings] = useState<Finding[] | null>(null)
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  // The message as it was when the correction was begun: another person's meanwhile is not overwritten.
  const [begun] = useState(message)
  const [replacedBy, setReplacedBy] = useState<string | null>(null)
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    setBusy(true)
    setError(null)
    try {
      await work()
    } catch (failed) {
      setError(explain(words, failed))
    }
    setBusy(false)
  }
  const check = (): Promise<void> => attempt(async () => setFindings((await command<{ findings: Finding[] }>('check', { text: corrected })).findings))
  const submit = (event: Event): void => {
    event.preventDefault()
    if (busy) return
    if (reason.trim() === '') return setError(say('reasonNeeded'))
    void attempt(async () => {
      const done = await command<{ id: string }>('replace', { id: begun.id, text: corrected, updatedAt: begun.updatedAt, reason: reason.trim() })
      setReplacedBy(done.id)
      onDone()
    })
  }
  return (
    <Dialog title={say('correct')} onClose={onClose}>
      {replacedBy === null ? (
        <form class="correct" onSubmit={submit}>
          <p>{say('correctHint')}</p>
          <label for={id}>{say('corrected')}</label>
          <textarea id={id} dir="ltr" rows={14} spellcheck={false} autocomplete="off" wrap="off" value={corrected} onInput={(event) => setCorrected(event.currentTarget.value)} />
          <p>
            <button type="button" disabled={busy} onClick={check}>
              {say('check')}
            </button>
          </p>
          <div role="status">
            {findings === null ? null : findings.length === 0 ? (
              <p>{say('noFindings')}</p>
            ) : (
              <ul>
                {findings.map((each, n) => (
                  <li key={n}>
                    <Data>
                      {each.severity} {each.code} {each.segment}
                      {each.field === undefined ? '' : `-${each.field}`}
                    </Data>
                    : <Data>{each.message}</Data>
                  </li>
                ))}
              </ul>
            )}
          </div>
          <label class="input">
            {say('commandReason')}
            <input dir="auto" required maxLength={500} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
          </label>
          {error === null ? null : (
            <p class="trouble" role="alert">
              {error}
            </p>
          )}
          <p class="row">
            <button type="submit" class="main" disabled={busy}>
              {say('replace')}
            </button>
            <button type="button" onClick={onClose}>
              {say('dismiss')}
            </button>
          </p>
        </form>
      ) : (
        <p role="status">
          {say('replaced', { id: '' })} <Reference id={replacedBy} />
        </p>
      )}
    </Dialog>
  )
}
