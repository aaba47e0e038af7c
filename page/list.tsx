/** The list: filter, pages by key, selection, commands. */
import type { JSX } from 'preact'
import { useEffect, useMemo, useState } from 'preact/hooks'

import { useAsk } from './api.ts'
import { Buttons, fitting, Give, Outcome, type Command, type Target } from './command.tsx'
import { Answer, Data, Input, Link, Reference, State, Wide } from './parts.tsx'
import { to } from './route.ts'
import { STATES, type Changed, type Listed, type Message, type Session, type Status } from './types.ts'
import { useWords } from './words.ts'

const TEXTS = ['destination', 'messageType', 'failureCode', 'from', 'to'] as const

export function List({ session, query }: { session: Session; query: URLSearchParams }): JSX.Element {
  const { say } = useWords()
  const asked = useAsk<Listed>(`messages?${query}`)
  // On a phone the messages come first.
  const isWide = useMemo(() => matchMedia('(min-width: 44rem)').matches, [])
  return (
    <>
      <h1>{say('messages')}</h1>
      <details class="filtering" open={isWide}>
        <summary>{say('filter')}</summary>
        <Filter key={withoutCursor(query).toString()} query={query} />
      </details>
      <Answer of={asked}>{(listed) => <Page key={withoutCursor(query).toString()} session={session} query={query} listed={listed} again={asked.again} />}</Answer>
    </>
  )
}

function withoutCursor(query: URLSearchParams): URLSearchParams {
  const rest = new URLSearchParams(query)
  rest.delete('cursor')
  return rest
}

/** A time as the field of a form has it (local, to the minute), and as the outbox takes it. */
const local = (iso: string | null): string => {
  if (iso === null || Number.isNaN(Date.parse(iso))) return ''
  const at = new Date(iso)
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}

function Filter({ query }: { query: URLSearchParams }): JSX.Element {
  const { say } = useWords()
  const tags = [...query].filter(([name]) => name.startsWith('tag.')).map(([name, value]) => `${name.slice(4)}=${value}`)
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    const next = new URLSearchParams()
    for (const [name, value] of new FormData(event.currentTarget as HTMLFormElement)) {
      const text = typeof value === 'string' ? value.trim() : ''
      if (text === '') continue
      if (name === 'tags') {
        for (const pair of text.split(/[\s,]+/)) {
          const at = pair.indexOf('=')
          if (at > 0) next.set(`tag.${pair.slice(0, at)}`, pair.slice(at + 1))
        }
      } else next.append(name, name === 'from' || name === 'to' ? new Date(text).toISOString() : text)
    }
    location.hash = to('messages', next)
  }
  return (
    <form class="filter" role="search" aria-label={say('filter')} onSubmit={submit}>
      <Input name="controlId" label={say('controlIdPart')} dir="ltr" defaultValue={query.get('controlId') ?? ''} />
      <div class="input">
        <label for="status">{say('status')}</label>
        <select id="status" name="status" defaultValue={query.get('status') ?? ''}>
          <option value="">{say('all')}</option>
          {STATES.map((state) => (
            <option key={state} value={state} selected={query.get('status') === state}>
              {say(state)}
            </option>
          ))}
        </select>
      </div>
      <Input name="destination" label={say('destination')} dir="ltr" defaultValue={query.get('destination') ?? ''} />
      <Input name="tags" label={say('tag')} hint={say('tagHint')} dir="ltr" defaultValue={tags.join(' ')} />
      <Input name="messageType" label={say('type')} dir="ltr" placeholder="ADT^A08" defaultValue={query.get('messageType') ?? ''} />
      <Input name="failureCode" label={say('failureCode')} dir="ltr" defaultValue={query.get('failureCode') ?? ''} />
      <Input name="from" type="datetime-local" label={say('from')} defaultValue={local(query.get('from'))} />
      <Input name="to" type="datetime-local" label={say('to')} defaultValue={local(query.get('to'))} />
      <fieldset>
        <legend>{say('lookAt')}</legend>
        {(['warning', 'possibleDuplicate'] as const).map((name) => (
          <label key={name} class="check">
            <input type="checkbox" name={name} value="true" defaultChecked={query.get(name) === 'true'} /> {say(name)}
          </label>
        ))}
      </fieldset>
      <p class="row">
        <button type="submit" class="main">
          {say('apply')}
        </button>
        <a class="button" href={to('messages')}>
          {say('clear')}
        </a>
      </p>
    </form>
  )
}

/** The filter as a command takes it, as of the moment at which the list was shown. */
function filterOf(query: URLSearchParams, now: string): Record<string, unknown> {
  const filter: Record<string, unknown> = {}
  const tags: Record<string, string> = {}
  for (const [name, value] of query) {
    if (name.startsWith('tag.')) tags[name.slice(4)] = value
    else if ((TEXTS as readonly string[]).includes(name)) filter[name] = value
    else if (name === 'warning' || name === 'possibleDuplicate') filter[name] = value === 'true'
  }
  const status = query.getAll('status').filter((each) => each !== '')
  if (status.length > 0) filter.status = status
  if (Object.keys(tags).length > 0) filter.tags = tags
  const until = filter.to
  return { ...filter, to: typeof until === 'string' && until < now ? until : now }
}

function Page({ session, query, listed, again }: { session: Session; query: URLSearchParams; listed: Listed; again: () => void }): JSX.Element {
  const { say, number, time } = useWords()
  // As they were when they were selected: what happens to one meanwhile is found out by the command.
  const [chosen, choose] = useState<ReadonlyMap<string, Message>>(new Map())
  const [matching, setMatching] = useState<string | null>(null)
  const [giving, give] = useState<Command | null>(null)
  const [outcome, setOutcome] = useState<Changed | null>(null)
  const { items, nextCursor, searched } = listed
  useEffect(() => setMatching(null), [query.toString()])
  const states = useMemo(() => new Set<Status>(matching === null ? [...chosen.values()].map(({ status }) => status) : query.getAll('status').length > 0 ? (query.getAll('status') as Status[]) : STATES), [chosen, matching, query.toString()])
  const commands = chosen.size > 0 || matching !== null ? fitting(session.may, states) : []
  const target: Target = matching === null ? { messages: [...chosen.values()] } : { filter: filterOf(query, matching) }
  const canCommand = fitting(session.may, STATES).length > 0
  const toggle = (messages: Message[], on: boolean): void => {
    const next = new Map(chosen)
    for (const each of messages) {
      if (on) next.set(each.id, each)
      else next.delete(each.id)
    }
    choose(next)
    setMatching(null)
  }
  const done = (changed: Changed): void => {
    setOutcome(changed)
    give(null)
    choose(new Map())
    setMatching(null)
    again()
  }
  // A search in parts of control ids is not a filter that the outbox knows, so a command cannot mean "all of them".
  const canMatchAll = canCommand && items.length > 0 && !query.has('controlId')
  return (
    <>
      {outcome === null ? null : <Outcome changed={outcome} onClose={() => setOutcome(null)} />}
      <div class="bar" role="group" aria-label={say('selected', { n: number(chosen.size) })}>
        {canCommand ? <span aria-live="polite">{matching === null ? say('selected', { n: number(chosen.size) }) : say('matchingSelected', { at: time(matching) })}</span> : null}
        {canMatchAll && matching === null ? (
          <button type="button" onClick={() => setMatching(listed.now)}>
            {say('selectMatching')}
          </button>
        ) : null}
        {matching === null ? null : (
          <button type="button" onClick={() => setMatching(null)}>
            {say('clear')}
          </button>
        )}
        <Buttons commands={commands} onChoose={give} />
      </div>
      {items.length === 0 ? <p>{say('noMessages')}</p> : <Table items={items} chosen={chosen} all={matching !== null} canCommand={canCommand} toggle={toggle} />}
      {searched === undefined ? null : <p>{say('searched', { n: number(searched.count), at: time(searched.backTo) })}</p>}
      <nav class="row" aria-label={say('older')}>
        {query.has('cursor') ? (
          <a class="button" href={to('messages', withoutCursor(query))}>
            {say('newest')}
          </a>
        ) : null}
        {nextCursor === null ? null : (
          <a class="button" href={to('messages', with_(query, 'cursor', nextCursor))}>
            {say(searched === undefined ? 'older' : 'searchOn')}
          </a>
        )}
      </nav>
      {giving === null ? null : <Give name={giving} target={target} onDone={done} onClose={() => give(null)} />}
    </>
  )
}

function with_(query: URLSearchParams, name: string, value: string): URLSearchParams {
  const next = new URLSearchParams(query)
  next.set(name, value)
  return next
}

interface TableProps {
  items: Message[]
  chosen: ReadonlyMap<string, Message>
  all: boolean
  canCommand: boolean
  toggle: (messages: Message[], on: boolean) => void
}

function Table({ items, chosen, all, canCommand, toggle }: TableProps): JSX.Element {
  const { say, time, number, named } = useWords()
  const whole = all || items.every(({ id }) => chosen.has(id))
  return (
    <Wide label={say('messages')}>
      <table class="list">
        <thead>
          <tr>
            {canCommand ? (
              <th scope="col">
                <label class="box">
                  <input type="checkbox" aria-label={say('selectPage')} checked={whole} disabled={all} onChange={(event) => toggle(items, event.currentTarget.checked)} />
                </label>
              </th>
            ) : null}
            <th scope="col">{say('controlId')}</th>
            <th scope="col">{say('status')}</th>
            <th scope="col" class="roomy">
              {say('destination')}
            </th>
            <th scope="col" class="roomy">
              {say('type')}
            </th>
            <th scope="col" class="roomy">
              {say('attempts')}
            </th>
            <th scope="col" class="roomy">
              {say('tags')}
            </th>
            <th scope="col">{say('created')}</th>
          </tr>
        </thead>
        <tbody>
          {items.map((each) => (
            <tr key={each.id}>
              {canCommand ? (
                <td>
                  <label class="box">
                    <input type="checkbox" aria-label={say('select', { id: each.controlId })} checked={all || chosen.has(each.id)} disabled={all} onChange={(event) => toggle([each], event.currentTarget.checked)} />
                  </label>
                </td>
              ) : null}
              <th scope="row">
                <Link message={each} />
              </th>
              <td>
                <State status={each.status} inFlight={each.inFlight} />
                <Why message={each} />
              </td>
              <td class="roomy">
                <Data>{each.destination}</Data>
              </td>
              <td class="roomy">
                <Data>{each.messageType}</Data>
              </td>
              <td class="roomy">{number(each.tries)}</td>
              <td class="roomy">
                <Tags tags={each.tags} />
              </td>
              <td>{time(each.createdAt)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  )

  function Why({ message }: { message: Message }): JSX.Element | null {
    const { failure, waitingFor, blockedBy, warning, possibleDuplicate, overtaken } = message
    return (
      <small class="why">
        {failure === null ? null : (
          <span>
            {named(`why.${failure.reason}`, failure.reason)} <Data>{failure.code}</Data>
          </span>
        )}
        {waitingFor === null ? null : (
          <span>
            {say('waitsFor')} {named(`waiting.${waitingFor}`, waitingFor)}
            {blockedBy === null ? null : (
              <>
                {' '}
                <Reference id={blockedBy} />
              </>
            )}
          </span>
        )}
        {warning === null ? null : (
          <span>
            {say('warning')}: <Data>{warning}</Data>
          </span>
        )}
        {possibleDuplicate ? <span>{say('possibleDuplicate')}</span> : null}
        {overtaken ? <span>{say('overtaken')}</span> : null}
      </small>
    )
  }
}

/** Each leads to its like. The trace of a message is none of them: nobody can search for it. */
export const Tags = ({ tags }: { tags: Record<string, string> }): JSX.Element => (
  <>
    {Object.entries(tags).filter(([key]) => key !== 'traceparent').map(([key, value]) => (
      <a key={key} class="tag" href={to('messages', { [`tag.${key}`]: value })}>
        <Data>
          {key}={value}
        </Data>
      </a>
    ))}
  </>
)
