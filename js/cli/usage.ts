/** The words of the command line: what it can do, and how it says that it cannot. */
import { Hl7OutboxError } from '../facade/index.js'

/** Exit codes that scripts can use. */
export const EXIT = { ok: 0, failed: 1, usage: 2, degraded: 3, down: 4 } as const

/** The command was misspelt; nothing was done. */
export class UsageError extends Error {}

export const HELP = `hl7-outbox: see and steer an outbox for HL7 messages

usage: hl7-outbox <command> [options]

commands
  status                       counts, dispatcher and destinations; exit 0 ok, 3 degraded, 4 down
  retry ID… | --all-failed | --all-pending
                               send again: dead letters, cancelled messages, or waiting ones at once
  pause DESTINATION            stop sending to a destination
  resume DESTINATION           send again
  worker                       deliver, until a signal ends it
  admin                        the admin page, for a browser of this machine; prints its address
  check FILE… | -              what is wrong with messages in files, or in the standard input; exit 1 with an error
  receiver                     a stand-in receiver for tests, never for patients' data

options
  --path FILE                  the outbox file (else the configuration, else HL7_OUTBOX_PATH)
  --config FILE                the configuration (else HL7_OUTBOX_CONFIG, else ./hl7-outbox.config.json)
  --json                       data as JSON on the standard output
  --actor NAME, --reason TEXT  who commands, and why (retry, pause, resume; admin: --actor); default: the system's user
  --destination NAME           retry: only its messages
  --allow-overtaken            retry: also what later messages of its lane have overtaken
  --stop-timeout-ms N          worker: how long a signal waits for attempts in flight; default 125000
  --port N, --read-only        admin: where it listens (default: any free port); to look, not to command
  --profile hl7|malaffi        check: whose rules; default hl7
  --doctor-id ID               check: an id that the receiver knows; may be repeated
  --http HOST:PORT, --mllp HOST:PORT, --bearer TOKEN, --behaviour JSON, --strict,
  --keep all|counts, --tls-cert FILE, --tls-key FILE
                               receiver: where it listens, what it demands, how it answers
  --help, --version
`

/** An error for a person: what, then the hint. Data goes to the standard output, words to the standard error stream. */
export function say(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`error: ${error.message}\nhint: hl7-outbox --help\n`)
    return EXIT.usage
  }
  if (error instanceof Hl7OutboxError) {
    process.stderr.write(`error: ${error.message} (${error.code})\n${error.hint === null ? '' : `hint: ${error.hint}\n`}`)
    return EXIT.failed
  }
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`)
  return EXIT.failed
}
