/** One message: facts, attempts, lane, content on demand, commands, correction. */
import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'

import { command, explain, useAsk } from './api.ts'
import { Buttons, fitting, Give, Outcome, type Command } from './command.tsx'
import { Correct } from './correct.tsx'
import { Tags } from './list.tsx'
import { Answer, Data, Facts, Link, Reference, State } from './parts.tsx'
import { to } from './route.ts'
import { Tree } from './tree.tsx'
import type { Attempt, Changed, Content, Detail, Message, Session } from './types.ts'
import { useWords, type Key } from './words.ts'

export function Room({ session, id }: { session: Session; id: string }): JSX.Element {
  const { say } = useWords()
  const asked = useAsk<Detail>(`messages/${encodeURIComponent(id)}`)
  return (
    <>
      <p>
        <a href={to('messages')}>{say('back')}</a>
      </p>
      <Answer of={asked}>{(detail) => <Whole session={session} detail={detail} again={asked.again} />}</Answer>
    </>
  )
}

function Whole({ session, detail, again }: { session: Session; detail: Detail; again: () => void }): JSX.Element {
  const { say } = useWords()
  const { message, attempts, neighbours } = detail
  const [giving, give] = useState<{ name: Command; message: Message } | null>(null)
  const [outcome, setOutcome] = useState<Changed | null>(null)
  const commands = message.purgedAt === undefined ? fitting(session.may, [message.status]) : []
  return (
    <>
      <h1>
        <Data>{message.controlId}</Data> <State status={message.status} inFlight={message.inFlight} />
      </h1>
      {outcome === null ? null : <Outcome changed={outcome} onClose={() => setOutcome(null)} />}
      {commands.length === 0 ? null : (
        <div class="bar" role="group" aria-label={message.controlId}>
          <Buttons commands={commands} onChoose={(name) => give({ name, message })} />
        </div>
      )}
      <Facts items={factsOf(message)} />
      <Looked session={session} message={message} again={again} />
      <h2>{say('timeline')}</h2>
      {attempts.length === 0 ? <p>{say('noAttempts')}</p> : <ol class="timeline">{attempts.map((each) => <Tried key={each.n} session={session} message={message} attempt={each} />)}</ol>}
      <h2>{say('lane')}</h2>
      <Neighbours {...neighbours} />
      {giving === null ? null : (
        <Give
          name={giving.name}
          target={{ messages: [giving.message] }}
          onClose={() => give(null)}
          onDone={(changed) => {
            setOutcome(changed)
            give(null)
            again()
          }}
        />
      )}
    </>
  )

  function factsOf(each: Message): [Key, ComponentChildren][] {
    const { time, number, named } = useWords()
    const { failure } = each
    const facts: [Key, ComponentChildren | null][] = [
      ['destination', <Data>{each.destination}</Data>],
      ['type', <Data>{each.messageType}</Data>],
      ['created', time(each.createdAt)],
      ['dueAt', each.dueAt === null ? null : time(each.dueAt)],
      ['sentAt', each.sentAt === null ? null : time(each.sentAt)],
      ['acknowledgedAt', each.acknowledgedAt === null ? null : time(each.acknowledgedAt)],
      ['changedAt', time(each.updatedAt)],
      ['purgedAt', each.purgedAt === undefined ? null : time(each.purgedAt)],
      ['waitsFor', each.waitingFor === null ? null : named(`waiting.${each.waitingFor}`, each.waitingFor)],
      ['blockedBy', each.blockedBy === null ? null : <Reference id={each.blockedBy} />],
      ['failure', failure === null ? null : <>{named(`why.${failure.reason}`, failure.reason)} <Data>{[failure.code, failure.httpStatus, failure.ackCode, ...(failure.errCodes ?? [])].filter((part) => part !== undefined).join(' ')}</Data></>],
      ['warning', each.warning === null ? null : <Data>{each.warning}</Data>],
      ['possibleDuplicate', each.possibleDuplicate ? '✓' : null],
      ['overtaken', each.overtaken ? '✓' : null],
      ['attempts', number(each.tries)],
      ['priority', <Data>{each.priority}</Data>],
      ['tags', Object.keys(each.tags).length === 0 ? null : <Tags tags={each.tags} />],
      ['replaces', each.replaces === null ? null : <Reference id={each.replaces} />],
      ['replacedBy', each.replacedBy === null ? null : <Reference id={each.replacedBy} />],
      ['id', <Data>{each.id}</Data>],
    ]
    return facts.filter(([, value]) => value !== null)
  }
}

function Neighbours({ before, behind }: Detail['neighbours']): JSX.Element {
  const { say } = useWords()
  if (before.length === 0 && behind.length === 0) return <p>{say('laneNone')}</p>
  return (
    <>
      {([['laneBefore', before], ['laneBehind', behind]] as const).map(([key, list]) =>
        list.length === 0 ? null : (
          <section key={key}>
            <h3>{say(key)}</h3>
            <ol>
              {list.map((each) => (
                <li key={each.id}>
                  <Link message={each} /> <State status={each.status} inFlight={each.inFlight} />
                </li>
              ))}
            </ol>
          </section>
        ),
      )}
    </>
  )
}

/** Asks for what is hidden; shown until it is hidden again or another message is looked at. */
function useLook(id: string, attempt?: number): { content: Content | null; error: string | null; look: () => void; hide: () => void } {
  const words = useWords()
  const [content, setContent] = useState<Content | null>(null)
  const [error, setError] = useState<string | null>(null)
  useEffect(() => setContent(null), [id])
  const look = (): void => {
    setError(null)
    command<Content>('reveal', { id, ...(attempt === undefined ? {} : { attempt }) }).then(setContent, (failed: unknown) => setError(explain(words, failed)))
  }
  return { content, error, look, hide: () => setContent(null) }
}

function Trouble({ error }: { error: string | null }): JSX.Element | null {
  return error === null ? null : (
    <p class="trouble" role="alert">
      {error}
    </p>
  )
}

function Tried({ session, message, attempt }: { session: Session; message: Message; attempt: Attempt }): JSX.Element {
  const { say, time, duration, number } = useWords()
  const { content, error, look, hide } = useLook(message.id, attempt.n)
  const codes = [attempt.httpStatus, attempt.ackCode, ...(attempt.errCodes ?? []), attempt.code].filter((part) => part !== undefined)
  return (
    <li class={attempt.outcome ?? 'open'}>
      <strong>{say('attempt', { n: number(attempt.n) })}</strong> {time(attempt.startedAt)}
      {attempt.endedAt === null ? ` · ${say('underWay')}` : ` · ${duration(Date.parse(attempt.endedAt) - Date.parse(attempt.startedAt))}`} <Data>{[attempt.outcome, attempt.row, ...codes].filter((part) => part !== null).join(' · ')}</Data>
      {attempt.bytesSent === undefined ? '' : ` · ${say('bytesSent', { n: number(attempt.bytesSent) })}`}
      {attempt.manual ? ` · ${say('manual')}` : ''}
      {attempt.counted ? '' : ` · ${say('notCounted')}`}
      {session.may.includes('reveal') && attempt.endedAt !== null && message.purgedAt === undefined ? (
        <p>
          <button type="button" onClick={content === null ? look : hide}>
            {content === null ? say('showAnswer', { n: number(attempt.n) }) : say('hide')}
          </button>
        </p>
      ) : null}
      <Trouble error={error} />
      {content === null ? null : <Tree content={content} />}
    </li>
  )
}

function Looked({ session, message, again }: { session: Session; message: Message; again: () => void }): JSX.Element | null {
  const { say } = useWords()
  const { content, error, look, hide } = useLook(message.id)
  const [correcting, correct] = useState(false)
  if (!session.may.includes('reveal') || message.purgedAt !== undefined) return null
  const canCorrect = session.may.includes('replace') && ['FAILED', 'HELD'].includes(message.status)
  return (
    <>
      <h2>{say('content')}</h2>
      {content === null ? <p>{say('contentHidden')}</p> : <Tree content={content} />}
      <p class="row">
        <button type="button" onClick={content === null ? look : hide}>
          {content === null ? say('reveal') : say('hide')}
        </button>
        {canCorrect && content !== null && content.text !== null ? (
          <button type="button" onClick={() => correct(true)}>
            {say('correct')}
          </button>
        ) : null}
      </p>
      {canCorrect && content !== null && content.text === null ? <p>{say('tooLargeToCorrect')}</p> : null}
      <Trouble error={error} />
      {correcting && content !== null && content.text !== null ? <Correct message={message} text={content.text} onClose={() => correct(false)} onDone={again} /> : null}
    </>
  )
}
