/** The worklist: dead letters by what they failed of. */
import type { JSX } from 'preact'

import { useAsk } from './api.ts'
import { Answer, Data, Link, Wide } from './parts.tsx'
import { to } from './route.ts'
import type { Refusals } from './types.ts'
import { useWords, type Key } from './words.ts'

export function Worklist(): JSX.Element {
  const { say, number } = useWords()
  const asked = useAsk<Refusals>('refusals')
  return (
    <>
      <h1>{say('refusals')}</h1>
      <p>{say('refusalsAbout')}</p>
      <Answer of={asked}>
        {(found) => (
          <>
            {found.groups.length === 0 ? <p>{say('noRefusals')}</p> : <Groups {...found} />}
            {found.more ? <p>{say('refusalsMore', { n: number(found.count) })}</p> : null}
          </>
        )}
      </Answer>
    </>
  )
}

function Groups({ groups, days }: Refusals): JSX.Element {
  const { say, number, time, named } = useWords()
  return (
    <Wide label={say('refusals')}>
      <table>
        <thead>
          <tr>
            {(['code', 'errCodes', 'reason', 'destination', 'count', 'perDay', 'newestAt', 'examples'] satisfies Key[]).map((key) => (
              <th key={key} scope="col">
                {say(key)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {groups.map((each) => (
            <tr key={JSON.stringify([each.destination, each.code, each.errCodes, each.reason])}>
              <th scope="row">
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
              <td class="examples">
                {each.examples.map((message) => (
                  <Link key={message.id} message={message} />
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
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
