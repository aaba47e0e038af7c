/** All commands: their group in the help, a line about each, and where each is. A command is loaded when it is called. */
import type { Command } from 'commander'

export interface Entry {
  readonly group: string
  readonly summary: string
  readonly load: () => Promise<object>
}

const LOOK = 'Look'
const STEER = 'Steer'
const MESSAGES = 'Bring messages in'
const KEEP = 'Keep and take along'
const RUN = 'Run and set up'

export const COMMANDS: Readonly<Record<string, Entry>> = {
  status: { group: LOOK, summary: 'counts, dispatcher, destinations and problems', load: async () => (await import('./commands/status.js')).status },
  doctor: { group: LOOK, summary: 'what is wrong with file, processes, configuration and destinations', load: async () => (await import('./commands/doctor.js')).doctor },
  metrics: { group: LOOK, summary: 'the figures of the file as text for Prometheus', load: async () => (await import('./commands/metrics.js')).metrics },
  list: { group: LOOK, summary: 'the messages that a filter chooses', load: async () => (await import('./commands/list.js')).list },
  show: { group: LOOK, summary: 'one message, its attempts, and on demand its content', load: async () => (await import('./commands/show.js')).show },
  refusals: { group: LOOK, summary: 'dead letters by what they failed of, and who sees to them', load: async () => (await import('./commands/refusals.js')).refusals },
  tail: { group: LOOK, summary: 'every change of status, as it happens', load: async () => (await import('./commands/tail.js')).tail },
  retry: { group: STEER, summary: 'send dead letters and cancelled messages again, or waiting ones at once', load: async () => (await import('./commands/retry.js')).retry },
  replace: { group: STEER, summary: 'a corrected message takes the place of a refused one', load: async () => (await import('./commands/replace.js')).replace },
  refusal: { group: STEER, summary: 'who sees to a group of refusals, and whether it is rectified', load: async () => (await import('./commands/refusal.js')).refusal },
  cancel: { group: STEER, summary: 'withdraw what was not delivered', load: async () => (await import('./commands/cancel.js')).cancel },
  hold: { group: STEER, summary: 'put waiting messages aside', load: async () => (await import('./commands/hold.js')).hold },
  release: { group: STEER, summary: 'send what is held', load: async () => (await import('./commands/release.js')).release },
  resend: { group: STEER, summary: 'send delivered messages again', load: async () => (await import('./commands/resend.js')).resend },
  pause: { group: STEER, summary: 'stop sending to a destination', load: async () => (await import('./commands/pause.js')).pause },
  resume: { group: STEER, summary: 'send to a destination again', load: async () => (await import('./commands/pause.js')).resume },
  purge: { group: STEER, summary: 'remove content for good', load: async () => (await import('./commands/purge.js')).purge },
  send: { group: MESSAGES, summary: 'store the messages of files, to be delivered', load: async () => (await import('./commands/send.js')).send },
  check: { group: MESSAGES, summary: 'what is wrong with messages in files', load: async () => (await import('./commands/check.js')).check },
  backup: { group: KEEP, summary: 'copy the outbox while applications use it', load: async () => (await import('./commands/backup.js')).backup },
  restore: { group: KEEP, summary: 'put a backup in the outbox’s place', load: async () => (await import('./commands/restore.js')).restore },
  export: { group: KEEP, summary: 'undelivered messages as files, for a way out', load: async () => (await import('./commands/export.js')).exportMessages },
  worker: { group: RUN, summary: 'deliver, until a signal ends it', load: async () => (await import('./commands/worker.js')).worker },
  admin: { group: RUN, summary: 'the admin page, on this machine', load: async () => (await import('./commands/admin.js')).admin },
  receiver: { group: RUN, summary: 'a stand-in receiver for tests, never for patients’ data', load: async () => (await import('./commands/receiver.js')).receiver },
  alerts: { group: RUN, summary: 'try whether alerts arrive', load: async () => (await import('./commands/alerts.js')).alerts },
  init: { group: RUN, summary: 'write a configuration and what starts it', load: async () => (await import('./commands/init.js')).init },
  completions: { group: RUN, summary: 'completions for bash, zsh, fish and PowerShell', load: async () => (await import('./commands/completions.js')).completions },
}

/** Loads a command and gives it its line. */
export async function load(name: string): Promise<Command> {
  const entry = COMMANDS[name]
  if (entry === undefined) throw new Error(`no command ${name}`)
  const command = (await entry.load()) as Command
  if (command.description() === '') command.description(entry.summary)
  return command.summary(entry.summary).helpGroup(`${entry.group}:`)
}

/** All of them, for what tells about the command line itself. */
export function everything(): Promise<Command[]> {
  return Promise.all(Object.keys(COMMANDS).map(load))
}
