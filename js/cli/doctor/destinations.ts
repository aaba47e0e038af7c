/** The configuration, its certificates, and whether its destinations can be reached; never with a message. */
import { Hl7OutboxError, probeDestinations, type Inspection, type ProbedDestination } from '../../facade/index.js'
import type { Config } from '../open.js'
import { error, ok, warning, type Finding } from './report.js'

const DAY_MS = 86_400_000
const SOON_MS = 30 * DAY_MS

const REMEDIES: Record<string, string> = {
  'name-not-found': 'Check the host name, and the name servers of this machine.',
  'connect-refused': 'Nothing listens there: check the port, and whether the receiver runs.',
  'connect-timeout': 'Nothing answers: check the address, the firewalls on the way, and whether this host is allowed in.',
  'no-route': 'Check this machine’s network and VPN.',
  'server-certificate-expired': 'Ask the receiver to renew its certificate.',
  'server-certificate-refused': 'Set `tls.caFile` to the authority of the receiver’s certificate, or `tls.serverName` to its name.',
  'server-key-not-pinned': 'The receiver has another key than those in `tls.pins`: ask it whether that is meant.',
  'client-certificate-refused': 'The receiver wants another client certificate: check `tls.certFile` and `tls.keyFile` with it.',
  'tls-version': 'The two have no version of TLS in common: check `tls.minVersion`, and what the receiver offers.',
}

export async function configuration(config: NonNullable<Config>, found: Inspection, timeoutMs: number | undefined, now: number): Promise<Finding[]> {
  const stored = found.contents?.destinations ?? []
  const patches = Object.fromEntries(stored.flatMap(({ name, patch }) => (patch === null ? [] : [[name, patch]])))
  try {
    const { destinations, webhooks } = await probeDestinations(config, patches, timeoutMs)
    return [
      counted(destinations.length, Object.keys(patches).length),
      ...destinations.flatMap((each) => one(each, now)),
      ...remembered(stored),
      ...alerts(webhooks, found, now),
    ]
  } catch (failure) {
    if (!(failure instanceof Hl7OutboxError)) throw failure
    return [error('configuration', `${failure.message} (${failure.code})`, failure.hint ?? 'Correct it.')]
  }
}

function counted(destinations: number, patched: number): Finding {
  if (destinations === 0) {
    return warning('configuration', 'no destination is configured here', 'Give the application’s configuration or environment (--config, MALAFFI_API_URL).')
  }
  return ok('configuration', `${destinations} ${destinations === 1 ? 'destination' : 'destinations'}${patched === 0 ? '' : ', with changes made at run time'}`)
}

function one({ name, enabled, error: wrong, clientCertificateExpiresAt, ways }: ProbedDestination, now: number): Finding[] {
  // Without it the application does not start.
  if (wrong !== null) return [error(name, `${wrong.message} (${wrong.code})`, wrong.hint ?? 'Correct it.')]
  const own = clientCertificateExpiresAt === null ? [] : [certificate(name, 'our client certificate', clientCertificateExpiresAt, 'Renew `tls.certFile`, and restart.', now)]
  if (!enabled) return [...own, ok(name, 'disabled: messages for it wait')]
  if (ways.length === 0) return [...own, ok(name, 'set up; not tried')]
  return [...own, ...ways.flatMap((way) => tried(name, way, now))]
}

function tried(name: string, { whom, address, fault, tookMs, certificateExpiresAt }: ProbedDestination['ways'][number], now: number): Finding[] {
  const what = whom === 'receiver' ? address : `the token server ${address}`
  const reached =
    fault === null
      ? ok(name, `${what} answers in ${tookMs} ms; no message was sent`)
      : warning(name, `${what}: ${fault}`, REMEDIES[fault] ?? 'Messages wait, and leave when it can be reached; docs/outcomes.md has the rows of failed attempts.')
  return certificateExpiresAt === null ? [reached] : [reached, certificate(name, 'the receiver’s certificate', certificateExpiresAt, 'Ask the receiver to renew it.', now)]
}

function certificate(name: string, whose: string, expiresAt: string, remedy: string, now: number): Finding {
  const left = Date.parse(expiresAt) - now
  const when = `${whose} ${left <= 0 ? 'has expired' : `expires in ${Math.floor(left / DAY_MS)} days`} (${expiresAt})`
  return left < SOON_MS ? warning(name, when, remedy) : ok(name, when)
}

/** What the dispatcher and persons have said of destinations, in the file. */
function remembered(stored: NonNullable<Inspection['contents']>['destinations']): Finding[] {
  return stored.flatMap(({ name, paused, state, reason }) => {
    const why = reason === null ? '' : ` (${reason})`
    if (paused) return [warning(name, `it is paused${why}`, `When the reason is gone: hl7-outbox resume ${name}.`)]
    if (state === 'ok') return []
    return [warning(name, `the dispatcher says ${state}${why}`, 'It is probed, and messages leave in order when it answers; above is what this process found.')]
  })
}

/** Whether alerts have somewhere to go, whether that can be reached, and what did not get there. */
function alerts(webhooks: ProbedDestination[] | null, found: Inspection, now: number): Finding[] {
  const { undelivered = [], alertCallbackAt = null } = found.contents ?? {}
  const alertCallback = alertCallbackAt !== null && now - alertCallbackAt < DAY_MS
  const late = undelivered.map(({ target, waiting, givenUp, error: why }) =>
    warning('alerts', `${whom(target)} did not take ${waiting + givenUp} (${why}): ${waiting} wait, ${givenUp} given up`, 'Look at its address and its secret: hl7-outbox alerts test.'),
  )
  if (webhooks === null && !alertCallback) return late
  if (webhooks === null || webhooks.length === 0) {
    const said = alertCallback
      ? ok('alerts', 'told to the application’s own function (alerts.onAlert); no webhooks')
      : warning('alerts', 'they are configured, and told to nobody: there are no webhooks, and no process has said that it has alerts.onAlert', 'Add `alerts.webhooks`, or give the application’s startOutbox an `alerts.onAlert`.')
    return [said, ...late]
  }
  return [...webhooks.flatMap((each) => one(each, now)), ...late]
}

/** The part behind `#` is for programs. */
function whom(target: string): string {
  return target === 'callback' ? 'alerts.onAlert' : (target.split('#')[0] ?? target)
}
