// `npm run demo`: the clinic, a receiver that fails, and what becomes of the messages. `-- --exit` ends when all is delivered,
// with status 0 if it was; otherwise the page stays open until Ctrl-C.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { allAre, listMessages, saveVisit, untilServing, watchMessages } from './lib/clinic.mjs'
import { buildApp, installApp, startApp } from './lib/next-app.mjs'
import { Processes } from './lib/processes.mjs'
import { receivedBy, startReceiver } from './lib/receiver.mjs'
import { compareOrder, percentile } from './lib/summary.mjs'
import { packRoot } from './lib/tarball.mjs'
import { complain, note, out, result, step } from './lib/terminal.mjs'
import { inventVisit, patientCount } from './lib/visits.mjs'
import { Ways } from './lib/ways.mjs'
import { prepare, root } from './prepare.mjs'

const VISITS = 12
/** The visits from this one on are saved while nobody listens at the receiver's address. */
const OUTAGE_FROM = 5
const OUTAGE_TO = 9
const DELIVERY_MS_MAX = 120_000
const example = join(root, 'examples', 'nextjs-clinic')

const { values: options } = parseArgs({ options: { exit: { type: 'boolean', default: false } } })
const processes = new Processes()
let work = null

async function main() {
  await prepare()
  mkdirSync(join(root, '.demo'), { recursive: true })
  work = mkdtempSync(join(root, '.demo', 'run-'))

  step('Installing and building the clinic (examples/nextjs-clinic)')
  note((await installApp(example, await packRoot(work))) ? 'hl7-outbox is installed from its tarball, as from the registry' : 'already installed')
  await buildApp(processes, example)

  step('Starting the receiver and the clinic')
  const receiver = await startReceiver(processes)
  const clinic = await startApp(processes, example, {
    HL7_OUTBOX_PATH: join(work, 'outbox.db'),
    MALAFFI_API_URL: new URL('/receive', receiver.url).href,
    MALAFFI_API_KEY: 'a-key-for-the-demo',
    CLINIC_DATA_DIR: join(work, 'pglite'),
    DATABASE_URL: '',
  })
  await untilServing(clinic.url)
  note(`receiver ${receiver.url}, clinic ${clinic.url}`)

  return { clinic, delivered: await run(clinic, receiver) }
}

async function run(clinic, firstReceiver) {
  const ways = new Ways()
  const ms = []
  /** patient → control ids in the order of saving */
  const saved = new Map()
  let count = 0
  const save = async (from, to) => {
    for (let n = from; n < to; n++) {
      const visit = inventVisit(n)
      const answer = await saveVisit(clinic.url, visit)
      if (answer.status !== 201) throw new Error(`visit ${n + 1} was answered ${answer.status}`)
      ms.push(answer.ms)
      const ids = answer.body.messages.map(({ controlId }) => controlId)
      saved.set(visit.patient.mrn, [...(saved.get(visit.patient.mrn) ?? []), ...ids])
      count += ids.length
      result(`${out.bold(`visit ${n + 1}`)} saved in ${answer.ms.toFixed(1)} ms: ${ids.length} messages ${answer.body.hl7}`)
      for (const id of ids) ways.name(id, `visit ${n + 1}`)
      ways.show(await listMessages(clinic.url))
    }
  }
  const delivered = () => watchMessages(clinic.url, allAre('ACKNOWLEDGED', count), { msMax: DELIVERY_MS_MAX, onList: (list) => ways.show(list) })

  step(`Saving ${OUTAGE_FROM} visits`)
  await save(0, OUTAGE_FROM)
  await delivered()

  step(`The receiver goes away; ${OUTAGE_TO - OUTAGE_FROM} more visits`)
  const received = await receivedBy(firstReceiver)
  await firstReceiver.stop()
  await save(OUTAGE_FROM, OUTAGE_TO)
  // Seen to have failed before the receiver comes back: otherwise the outage would only be claimed.
  await watchMessages(clinic.url, (list) => list.items.some((m) => m.tries > 0 && m.status === 'PENDING' && !m.inFlight), { msMax: 15_000, onList: (list) => ways.show(list) })

  step(`The receiver is back, nobody touches the clinic; the last ${VISITS - OUTAGE_TO} visits`)
  const back = await startReceiver(processes, { port: firstReceiver.port })
  await save(OUTAGE_TO, VISITS)
  const { list, inTime } = await delivered()
  received.push(...(await receivedBy(back)))
  return summarise({ list, inTime, count, ms, wrong: compareOrder(saved, received), received })
}

function summarise({ list, inTime, count, ms, wrong, received }) {
  const acknowledged = list.items.filter((message) => message.status === 'ACKNOWLEDGED').length
  const repeated = received.length - new Set(received.map((each) => each.controlId)).size
  const verdict = (good, text) => (good ? out.green(text) : out.red(text))
  step('Summary')
  result(`  delivered      ${verdict(inTime && acknowledged === count, `${acknowledged} of ${count} messages of ${VISITS} visits are ACKNOWLEDGED`)}`)
  result(`  order          ${verdict(wrong.length === 0, wrong.length === 0 ? `kept for each of ${patientCount} patients` : `wrong for patient(s) ${wrong.map((each) => each.patient).join(', ')}`)}`)
  result(`  received twice ${repeated}`)
  result(`  route answers  p50 ${percentile(ms, 50).toFixed(1)} ms · p95 ${percentile(ms, 95).toFixed(1)} ms · max ${Math.max(...ms).toFixed(1)} ms, the outage included`)
  return inTime && acknowledged === count && wrong.length === 0
}

/** Ctrl-C, or a request to end. On a terminal it reaches the children too, so what fails right after it is no failure. */
const interruption = new Promise((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => resolve(null))
})

async function stayOpen({ url, ended, name }) {
  step('The clinic stays open: save a visit on its page. Ctrl-C ends everything.')
  result(`  page           ${out.cyan(url)}`)
  if ((await Promise.race([interruption, ended])) !== null) throw new Error(`${name} ended by itself`)
}

try {
  const outcome = await Promise.race([main(), interruption])
  process.exitCode = outcome === null ? 130 : outcome.delivered ? 0 : 1
  if (outcome !== null && !options.exit) await stayOpen(outcome.clinic)
} catch (error) {
  complain(error)
  process.exitCode = 1
} finally {
  await processes.stopAll()
  if (work !== null) rmSync(work, { recursive: true, force: true, maxRetries: 5 })
}
// What an interruption cut short must not keep the process waiting.
process.exit()
