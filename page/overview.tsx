/** How the outbox is: health, figures, charts, destinations. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'

import { command, useAsk } from './api.ts'
import { Chart } from './chart.tsx'
import { Reasoned } from './command.tsx'
import { Answer, Data, Facts, LookAt, Wide } from './parts.tsx'
import { to } from './route.ts'
import { STATES, type History, type Overview, type Session } from './types.ts'
import { useWords, type Key } from './words.ts'

export function Glance({ session }: { session: Session }): JSX.Element {
  const { say } = useWords()
  const asked = useAsk<Overview>('overview')
  const history = useAsk<History>('history')
  return (
    <>
      <h1>{say('overview')}</h1>
      <Answer of={asked}>
        {({ stats, health }) => (
          <>
            <Health health={health} />
            {stats === null ? <p>{say('tooMany')}</p> : <Counts stats={stats} />}
            <LookAt />
            <Destinations session={session} destinations={health.destinations} again={asked.again} />
          </>
        )}
      </Answer>
      <Answer of={history}>{(found) => <Charts history={found} />}</Answer>
    </>
  )
}

function Health({ health }: { health: Overview['health'] }): JSX.Element {
  const { say, time } = useWords()
  const { dispatcher } = health
  return (
    <section class={`health ${health.status}`} aria-label={say('health')}>
      <p>
        <strong>{say(health.status)}</strong>
      </p>
      {health.problems.length === 0 ? null : (
        <ul>
          {health.problems.map((each, n) => (
            <li key={n}>
              <bdi lang="en">{each.message}</bdi>
              <br />
              {say('remedy')} <bdi lang="en">{each.remedy}</bdi>
            </li>
          ))}
        </ul>
      )}
      <p>
        {say('dispatcher')}: {dispatcher === null ? say('noDispatcher') : say('dispatcherIs', { pid: dispatcher.pid, host: dispatcher.host, since: time(dispatcher.since) })}
      </p>
    </section>
  )
}

function Counts({ stats }: { stats: NonNullable<Overview['stats']> }): JSX.Element {
  const words = useWords()
  const { say, number, duration, percent, time } = words
  const { oldestPendingAgeMs, deliveryMs, successRate24h, delivered, retries24h } = stats
  const list = (values: (string | null)[]): string => values.map((each) => each ?? '–').join(' / ')
  return (
    <>
      <h2 id="counts">{say('byState')}</h2>
      <Wide label={say('byState')}>
        <table class="counts" aria-labelledby="counts">
          <thead>
            <tr>
              <th scope="col">{say('destination')}</th>
              {STATES.map((state) => (
                <th key={state} scope="col">
                  {say(state)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {[['', stats.byStatus] as const, ...Object.entries(stats.byDestination)].map(([name, counts]) => (
              <tr key={name}>
                <th scope="row">{name === '' ? say('all') : <Data>{name}</Data>}</th>
                {STATES.map((state) => (
                  <td key={state}>
                    <a class={`count ${state}`} href={to('messages', { status: state, ...(name === '' ? {} : { destination: name }) })} aria-label={`${name === '' ? '' : `${name}: `}${say(state)}: ${number(counts[state])}`}>
                      {number(counts[state])}
                    </a>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
      <Facts
        items={[
          ['oldestWaiting', oldestPendingAgeMs === null ? say('nothingWaits') : duration(oldestPendingAgeMs)],
          ['successRate', successRate24h === null ? say('none') : percent(successRate24h)],
          ['delivered', list([delivered.last1m, delivered.last1h, delivered.last24h].map(number))],
          ['deliveryTime', deliveryMs === null ? say('none') : list([deliveryMs.p50, deliveryMs.p95, deliveryMs.p99].map(duration))],
          ['retries', list([retries24h.automatic, retries24h.manual].map(number))],
          ['lastAttempt', stats.lastAttemptAt === null ? say('none') : time(stats.lastAttemptAt)],
        ]}
      />
    </>
  )
}

function Destinations({ session, destinations, again }: { session: Session; destinations: Overview['health']['destinations']; again: () => void }): JSX.Element {
  const { say, time, number, named } = useWords()
  const [steering, steer] = useState<{ name: 'pause' | 'resume'; destination: string } | null>(null)
  const mayPause = session.may.includes('pause')
  return (
    <>
      <h2 id="destinations">{say('destinations')}</h2>
      <Wide label={say('destinations')}>
        <table aria-labelledby="destinations">
          <thead>
            <tr>
              {(['destination', 'stateOf', 'since', 'reason', 'PENDING', 'inFlight', 'certificate'] satisfies Key[]).map((key) => (
                <th key={key} scope="col">
                  {say(key)}
                </th>
              ))}
              {mayPause ? <td /> : null}
            </tr>
          </thead>
          <tbody>
            {Object.entries(destinations).map(([name, each]) => (
              <tr key={name}>
                <th scope="row">
                  <Data>{name}</Data>
                </th>
                <td>
                  <span class={`state destination-${each.state}`}>{named(`state.${each.state}`, each.state)}</span>
                </td>
                <td>{time(each.since)}</td>
                <td dir="auto">{each.reason ?? '–'}</td>
                <td>{each.pending === null ? '–' : number(each.pending)}</td>
                <td>{each.inFlight === null ? '–' : number(each.inFlight)}</td>
                <td>{time(each.certificateExpiresAt)}</td>
                {mayPause ? (
                  <td>
                    <button type="button" aria-label={`${say(each.state === 'paused' ? 'resume' : 'pause')} ${name}`} onClick={() => steer({ name: each.state === 'paused' ? 'resume' : 'pause', destination: name })}>
                      {say(each.state === 'paused' ? 'resume' : 'pause')}
                    </button>
                  </td>
                ) : null}
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
      {steering === null ? null : (
        <Reasoned
          title={`${say(steering.name)}: ${steering.destination}`}
          about={say(`about.${steering.name}`)}
          action={say(steering.name)}
          onClose={() => steer(null)}
          give={async (reason) => {
            await command('destination', { command: steering.name, destination: steering.destination, reason })
            steer(null)
            again()
          }}
        />
      )}
    </>
  )
}

function Charts({ history }: { history: History }): JSX.Element {
  const { say, time, number, duration } = useWords()
  const { hours, wholeSince } = history
  const at = hours.map((each) => Date.parse(each.at) / 1_000)
  const seconds = (ms: number | null): number | null => (ms === null ? null : ms / 1_000)
  return (
    <>
      <div class="charts">
        <Chart title={say('perHour')} at={at} lines={[{ label: say('stored'), values: hours.map((each) => each.stored) }, { label: say('deliveredShort'), values: hours.map((each) => each.delivered) }]} />
        <Chart title={say('timeChart')} at={at} lines={[{ label: say('median'), values: hours.map((each) => seconds(each.p50)) }, { label: say('p95'), values: hours.map((each) => seconds(each.p95)) }]} />
      </div>
      {wholeSince === null ? null : <p>{say('wholeSince', { at: time(wholeSince) })}</p>}
      <details>
        <summary>{say('figures')}</summary>
        <Wide label={say('figures')}>
          <table>
            <thead>
              <tr>
                {(['hour', 'stored', 'deliveredShort', 'median', 'p95'] satisfies Key[]).map((key) => (
                  <th key={key} scope="col">
                    {say(key)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {hours.map((each) => (
                <tr key={each.at}>
                  <th scope="row">{time(each.at)}</th>
                  <td>{number(each.stored)}</td>
                  <td>{number(each.delivered)}</td>
                  <td>{each.p50 === null ? '–' : duration(each.p50)}</td>
                  <td>{each.p95 === null ? '–' : duration(each.p95)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      </details>
    </>
  )
}
