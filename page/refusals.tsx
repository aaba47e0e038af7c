/** The worklist: dead letters by what they failed of, who sees to them, and whether it is done. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'

import { command, useAsk } from './api.ts'
import { Reasoned } from './command.tsx'
import { Answer, Data, Input, Link, LookAt, Wide } from './parts.tsx'
import { to } from './route.ts'
import type { Refusal, Refusals, Session } from './types.ts'
import { useWords, type Key } from './words.ts'

const VIEWS = ['open', 'mine', 'rectified', 'all'] as const
type View = (typeof VIEWS)[number]
const OWNER_MAX = 200
const NOTE_MAX = 2_000
const NOTE_ROWS = 4

export function Worklist({ session, query }: { session: Session; query: URLSearchParams }): JSX.Element {
  const { say, number } = useWords()
  const view: View = VIEWS.find((each) => each === query.get('view')) ?? 'open'
  const asked = useAsk<Refusals>(`refusals?view=${view}`)
  const [chosen, choose] = useState<Refusal | null>(null)
  return (
    <>
      <h1>{say('refusals')}</h1>
      <p>{say('refusalsAbout')}</p>
      <nav aria-label={say('refusals')} class="row views">
        {VIEWS.map((each) => (
          <a key={each} class="button" href={to('refusals', { view: each })} aria-current={each === view ? 'page' : undefined}>
            {say(`view.${each}`)}
          </a>
        ))}
      </nav>
      <Answer of={asked}>
        {(found) => (
          <>
            {found.groups.length === 0 ? <p role="status">{say(view === 'open' ? 'noRefusals' : 'noRefusalsHere')}</p> : <Groups {...found} session={session} choose={choose} />}
            {found.more ? <p>{say('refusalsMore', { n: number(found.groups.length) })}</p> : null}
          </>
        )}
      </Answer>
      <LookAt />
      {chosen === null ? null : (
        <Notes
          group={chosen}
          actor={session.actor}
          onClose={() => {
            choose(null)
            asked.again()
          }}
        />
      )}
    </>
  )
}

function Groups({ groups, days, session, choose }: Refusals & { session: Session; choose: (group: Refusal) => void }): JSX.Element {
  const { say, number, time, named } = useWords()
  const mayRectify = session.may.includes('rectify')
  return (
    <Wide label={say('refusals')}>
      <table>
        <thead>
          <tr>
            {(['code', 'errCodes', 'reason', 'destination', 'count', 'perDay', 'newestAt', 'stateOf', 'owner', 'note', 'examples'] satisfies Key[]).map((key) => (
              <th key={key} scope="col">
                {say(key)}
              </th>
            ))}
            {mayRectify ? <td /> : null}
          </tr>
        </thead>
        <tbody>
          {groups.map((each) => (
            <tr key={each.id}>
              <th scope="row" class="code">
                <a href={to('messages', { status: 'FAILED', failureCode: each.code, destination: each.destination })}>
                  <Data>{each.code}</Data>
                </a>
              </th>
              <td>{each.errCodes.length === 0 ? '–' : <Data>{each.errCodes.join(' ')}</Data>}</td>
              <td>{named(`why.${each.reason}`, each.reason)}</td>
              <td>
                <Data>{each.destination}</Data>
              </td>
              <td>{number(each.count)}</td>
              <td>
                <Bars counts={each.perDay} days={days} />
              </td>
              <td>{time(each.newestAt)}</td>
              <td>
                <Mark group={each} />
              </td>
              <td dir="auto">{each.owner ?? '–'}</td>
              <td dir="auto" class="note">
                {each.note ?? '–'}
              </td>
              <td class="examples">
                {each.examples.map((message) => (
                  <Link key={message.id} message={message} />
                ))}
              </td>
              {mayRectify ? (
                <td>
                  <button type="button" aria-label={`${say('rectify')}: ${each.code} ${each.errCodes.join(' ')} ${each.destination}`} onClick={() => choose(each)}>
                    {say('rectify')}
                  </button>
                </td>
              ) : null}
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  )
}

/** Whether there is something to do, and whether there is again. */
function Mark({ group: { state, rectifiedAt, rectifiedBy, reopenedAt } }: { group: Refusal }): JSX.Element {
  const { say, time } = useWords()
  const word = state === 'rectified' ? 'rectified' : reopenedAt === null ? 'open' : 'openAgain'
  return (
    <>
      <span class={`state refusal-${word}`}>{say(word)}</span>
      {reopenedAt === null ? null : <span class="why">{say('reopenedAt', { at: time(reopenedAt) })}</span>}
      {rectifiedAt === null ? null : (
        <span class="why" dir="auto">
          {say('rectifiedBy', { at: time(rectifiedAt), who: rectifiedBy ?? '' })}
        </span>
      )}
    </>
  )
}

function Notes({ group, actor, onClose }: { group: Refusal; actor: string; onClose: () => void }): JSX.Element {
  const { say } = useWords()
  const [owner, setOwner] = useState(group.owner ?? '')
  const [note, setNote] = useState(group.note ?? '')
  const [rectified, setRectified] = useState(group.state === 'rectified')
  const change = {
    ...(owner === (group.owner ?? '') ? {} : { owner }),
    ...(note === (group.note ?? '') ? {} : { note }),
    ...(rectified === (group.state === 'rectified') ? {} : { rectified }),
  }
  return (
    <Reasoned
      title={`${say('rectify')}: ${group.code} ${group.errCodes.join(' ')}`}
      about={say('rectifyAbout')}
      action={say('save')}
      blocked={Object.keys(change).length === 0}
      onClose={onClose}
      give={async (reason) => {
        await command('refusal', { id: group.id, version: group.version, reason, ...change })
        onClose()
      }}
    >
      <div class="row">
        <Input label={say('owner')} dir="auto" maxLength={OWNER_MAX} value={owner} onInput={(event) => setOwner(event.currentTarget.value)} />
        <button type="button" onClick={() => setOwner(actor)}>
          {say('mineNow')}
        </button>
      </div>
      <label class="input">
        {say('note')}
        <textarea dir="auto" rows={NOTE_ROWS} maxLength={NOTE_MAX} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
        <small>{say('noteHint')}</small>
      </label>
      <label class="check">
        <input type="checkbox" checked={rectified} onChange={(event) => setRectified(event.currentTarget.checked)} /> {say('isRectified')}
      </label>
    </Reasoned>
  )
}

const HEIGHT = 24
const WIDTH = 6

function Bars({ counts, days }: { counts: number[]; days: string[] }): JSX.Element {
  const { number } = useWords()
  const most = Math.max(1, ...counts)
  const words = counts.map((count, n) => `${days[n] ?? ''}: ${number(count)}`).filter((_, n) => (counts[n] ?? 0) > 0)
  return (
    <svg class="bars" width={counts.length * WIDTH} height={HEIGHT} role="img" aria-label={words.join(', ') || '0'}>
      {counts.map((count, n) => (
        <rect key={n} x={n * WIDTH} y={HEIGHT - Math.max(1, (count / most) * HEIGHT)} width={WIDTH - 1} height={Math.max(1, (count / most) * HEIGHT)} />
      ))}
    </svg>
  )
}
