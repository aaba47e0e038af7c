// One fault: an application under load meets it; then everything is checked from outside.
import { setTimeout as delay } from 'node:timers/promises'

import { Journal, startApplication } from './application.mjs'
import { MARK } from './build.mjs'
import { check } from './checker.mjs'
import { now } from './clock.mjs'
import { statesOf, untilDelivered } from './ending.mjs'
import { startScene } from './scenes.mjs'

const LANES = ['P-1', 'P-2', 'P-3', 'P-4', 'P-5', 'P-6']
/** A call that takes longer than this hangs. Twice the limit of an enqueue. */
const CALL_MS_MAX = 10_000
/** How long the load goes on for the fault to be met. */
const MEET_MS_MAX = 12_000
/** What was in flight may be repeated for a fault; what was on its way then arrives within this time after it was heard of. */
const HEARD_US = 120_000
const by = { actor: 'rig' }
/** Messages of a command that goes on in parts. */
const PARTED = 300

/** Resolves with `{ figures, violations }`. */
export async function meet({ point, way, when, failpoints, planted, scene: kind, path, door, env, signal }) {
  const scene = await startScene(kind)
  const destination = { ...scene.destination, rateLimit: null, retry: { scheduleMs: [400], jitter: 0 } }
  const config = { path, destinations: { rig: destination }, log: { level: 'error' } }
  const run = new Meeting({ config, door, env, scene, way, point })
  if (when === 'thrice') run.needed = 3
  try {
    if (kind === 'takeover') await run.leaveClaims(planted)
    let application = run.start({ FAILPOINTS: failpoints })
    await Promise.race([application.ready, application.ended])
    await run.untilMet(application)
    application = await run.survivor(application, planted)
    await run.quiet(application)
    application = await run.survivor(application, planted)
    await run.settled(application, signal)
    application = await run.stopped(application, config, planted)
    await run.settled(application, signal)
    return await run.verdict(application)
  } finally {
    await run.end()
    await scene.stop()
  }
}

export class Meeting {
  journal = new Journal()
  events = []
  violations = []
  all = []
  told = new Set()
  problems = new Set()
  wasKilled = false
  isQuiet = false
  met = 0
  /** How often it is to be met. */
  needed = 1

  constructor({ config, door, env, scene, way, point }) {
    Object.assign(this, { config, door, env, scene, way, point })
  }

  start(env) {
    const name = `A${this.all.length}`
    const application = startApplication({
      name, config: this.config, journal: this.journal, door: this.door,
      ...(this.isQuiet ? {} : { load: { lanes: LANES, burst: 2, pauseMs: 40 } }),
      env: { ...this.env, ...env },
    })
    application.hasEnded = false
    void application.ended.then(() => (application.hasEnded = true))
    let rest = ''
    application.child.stderr.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()
      for (const line of lines.filter((each) => each.startsWith(MARK))) {
        if (line.startsWith(`${MARK}plant-`)) continue
        if (line.startsWith(`${MARK}${this.point} `)) this.met += 1
        this.events.push([now(), now() + HEARD_US])
      }
    })
    this.all.push(application)
    return application
  }

  /** Messages in flight whose process is gone. */
  async leaveClaims(planted) {
    this.scene.holdBack(true)
    const first = this.start({ FAILPOINTS: planted.slice(1) })
    await first.ready
    await this.until(() => this.scene.arrivals.length >= 3, MEET_MS_MAX, 'nothing was sent')
    await first.kill()
    this.events.push(now())
    this.scene.holdBack(false)
  }

  async until(holds, msMax, otherwise) {
    const deadline = performance.now() + msMax
    while (!holds()) {
      if (performance.now() > deadline) {
        this.violations.push(otherwise)
        return
      }
      await delay(10)
    }
  }

  /** A call of the door, which must settle, and fail with a code if it fails. */
  async ask(application, method, ...args) {
    if (application.hasEnded) return { error: 'GONE' }
    const late = Symbol('late')
    const clock = new AbortController()
    const answer = await Promise.race([
      application.ask(method, ...args),
      application.ended.then(() => ({ error: 'GONE' })),
      delay(CALL_MS_MAX, late, { signal: clock.signal }).catch(() => late),
    ])
    clock.abort()
    if (answer === late) {
      this.violations.push(`${method} hangs`)
      return { error: 'HANGS' }
    }
    if (answer.error !== undefined && answer.error !== 'GONE' && !/^(ERR_|OVERTAKEN)/.test(answer.error)) {
      this.violations.push(`${method} failed with ${answer.error}: ${answer.message}`)
    }
    return answer
  }

  /** Asks everything, again and again, until the fault was met. */
  async untilMet(application) {
    void this.ask(application, 'consume')
    void this.ask(application, 'listen')
    await this.askAll(application, MEET_MS_MAX)
    if (this.met === 0) return
    await delay(250)
    // What of it was not met by now is not to come when everything must be well.
    await this.ask(application, 'setFault', this.point, 'off')
  }

  async askAll(application, msMax) {
    const deadline = performance.now() + msMax
    for (let round = 0; performance.now() < deadline; round++) {
      const ids = [...this.journal.calls.values()].flatMap((call) => (call.id === null ? [] : [call.id]))
      const id = ids.at(-1)
      const questions = [
        ['getHealth'], ['getStats'], ['listMessages', { limit: 20 }], ['listRefusals'], ['resumeDestination', 'rig', by], ['configureDestination', 'rig', { concurrency: 4 + (round % 2) }, by],
        ['countMessages', { messageType: 'ADT^A08' }],
        // In two parts; what is delivered is left, and what waits is due now.
        ...(ids.length < PARTED ? [] : [['retryMessages', { ids: ids.slice(-PARTED) }, by]]),
        ...(id === undefined ? [] : [['getMessage', id], ['getMessageContent', id], ['getAttempts', id], ['getAnswer', id, 1]]),
      ]
      const answers = await Promise.all(questions.map(([method, ...args]) => this.ask(application, method, ...args)))
      this.hearHealth(answers[0])
      if (application.hasEnded || this.met >= this.needed || this.violations.length > 0) return
      await delay(30)
    }
  }

  hearHealth({ value, error }) {
    for (const problem of value?.problems ?? []) this.problems.add(`${problem.code} ${/ERR_\w+/.exec(problem.message)?.[0] ?? ''}`)
    if (error !== undefined && error !== 'GONE') this.problems.add(error)
  }

  /** The application, or a new one if the fault was to end it. */
  async survivor(application, planted) {
    if (this.way === 'kill' && this.met > 0) await Promise.race([application.ended, delay(2_000)])
    if (!application.hasEnded) return application
    const { code, signal } = await application.ended
    if (this.way !== 'kill' || signal !== 'SIGABRT') this.violations.push(`the process ended: code ${code}, ${signal}\n${application.err.slice(-1_500)}`)
    this.wasKilled = true
    this.events.push(now())
    const next = this.start({ FAILPOINTS: planted.slice(1) })
    await next.ready
    void this.ask(next, 'consume')
    return next
  }

  /** What was begun is called to its end. */
  async quiet(application) {
    this.isQuiet = true
    const answer = await this.ask(application, 'quiet')
    if (answer.error === 'HANGS') this.violations.push(`enqueues do not come through: ${JSON.stringify([...application.codes])}`)
  }

  /** Everything is delivered, the feed has told it, and health has nothing to say. */
  async settled(application, signal) {
    if (application.hasEnded || this.violations.length > 0) return
    await untilDelivered(application, { msMax: 20_000, signal })
    const resolved = [...this.journal.calls.values()].filter((call) => call.resolved !== null)
    const deadline = performance.now() + CALL_MS_MAX
    for (;;) {
      const { value: feed } = await this.ask(application, 'consumed')
      for (const control of feed?.told ?? []) this.told.add(control)
      const untold = this.wasKilled ? 0 : resolved.filter(({ control }) => !this.told.has(control)).length
      const health = await this.ask(application, 'getHealth')
      this.hearHealth(health)
      if (application.hasEnded || (untold === 0 && health.value?.status === 'ok')) return
      if (performance.now() > deadline) {
        if (untold > 0) this.violations.push(`the feed does not tell ${untold} of ${resolved.length}; it met ${feed?.codes}`)
        if (health.value?.status !== 'ok') this.violations.push(`health does not recover: ${JSON.stringify(health.value?.problems ?? health)}`)
        return
      }
      await delay(30)
    }
  }

  /** Stops the outbox and starts it again, in the same process. */
  async stopped(application, config, planted) {
    if (this.violations.length > 0 || application.hasEnded) return this.survivor(application, planted)
    await this.ask(application, 'endConsume')
    const stop = await this.ask(application, 'stopOutbox')
    if (this.met === 0 && !this.violations.length) this.violations.push('the fault was not met')
    const alive = await this.survivor(application, planted)
    if (alive !== application) return alive
    if (stop.error !== undefined && this.way === 'delay 300') this.violations.push(`stopOutbox failed: ${stop.error}`)
    await this.startAgain(application, config)
    return application
  }

  async startAgain(application, config) {
    const deadline = performance.now() + CALL_MS_MAX
    for (;;) {
      const { error } = await this.ask(application, 'startOutbox', config)
      if (error === undefined) return
      if (performance.now() > deadline) return void this.violations.push(`it does not start again after stopOutbox: ${error}`)
      await delay(50)
    }
  }

  async verdict(application) {
    for (const { codes } of this.all) for (const code of codes.keys()) if (!/^ERR_/.test(code)) this.violations.push(`an enqueue failed with ${code}`)
    if (this.violations.length > 0) return { figures: this.figures({}), violations: this.violations }
    const arrivals = this.scene.arrivals.filter((arrival) => !arrival.isRefused)
    const { figures, violations } = check({ calls: this.journal.calls, arrivals, states: await statesOf(application), events: this.events })
    return { figures: this.figures(figures), violations: [...this.violations, ...violations] }
  }

  figures({ enqueued = 0, arrived = 0, repeats = 0 }) {
    return { enqueued, arrived, repeats, changes: this.told.size, health: this.problems.size, processes: this.all.length }
  }

  end() {
    return Promise.all(this.all.map((application) => application.kill()))
  }
}
