/** `send`: stores the messages of files; the application or a worker delivers them. */
import { createReadStream, statSync } from 'node:fs'

import type { EnqueueOptions } from '../../facade/index.js'
import { command, ends, examples, Option } from '../command.js'
import { Importer, type Found, type Refused } from '../hl7/import.js'
import { Splitter, typeOf } from '../hl7/split.js'
import { configuration, unreadable, withOutbox } from '../open.js'
import { clean, out, words } from '../output.js'
import { Progress } from '../progress.js'
import { count } from '../numbers.js'
import { EXIT, UsageError } from '../usage.js'
import { pair } from '../values.js'

const CHUNK = 1024 * 1024
const MESSAGE_BYTES = 16 * 1024 * 1024

export const send = examples(
  command('send')
    .description(
      'Store the messages of files, to be delivered by the application or a worker: single messages, several in one file, batches (FHS, BHS), MLLP captures. What is refused is listed with its place (a byte offset), and the rest goes on. Acknowledgements are left out. Run it again after an interruption: what is stored already is not stored twice.',
    )
    .argument('<file...>', 'files, or - for the standard input')
    .option('--destination <name>', 'a configured name; default: the default destination')
    .option('--tag <key=value>', 'a tag for all of them; may be repeated', pair)
    .option('--hold', 'stored as HELD, not sent until release')
    .addOption(new Option('--check <profile>', 'refuse what hl7-outbox check finds an error in').choices(['hl7', 'malaffi'] as const))
    .action(
      ends(async (files, options) => {
        // All are looked at before anything is stored: a misspelt name does nothing.
        const sizes = files.map(sizeOf)
        const total = sizes.includes(undefined) ? undefined : sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
        const how: EnqueueOptions = {
          ...(options.destination === undefined ? {} : { destination: options.destination }),
          ...(options.tag === undefined ? {} : { tags: options.tag }),
          ...(options.hold === undefined ? {} : { hold: true }),
          ...(options.check === undefined ? {} : { check: options.check }),
        }
        const report = new Report(options.json === true, total)
        const bytesMax = configuration(options).limits?.messageBytes ?? MESSAGE_BYTES
        return withOutbox(options, async (outbox) => {
          const importer = new Importer(outbox, how, (found, one) => report.stored(found, one), (refused) => report.refused(refused))
          const stop = interruption()
          try {
            for (const file of files) await read(file, bytesMax, importer, report, stop)
          } catch (error) {
            await report.end('stopped')
            throw error
          } finally {
            stop.forget()
          }
          await report.end(stop.asked() ? 'interrupted' : 'done')
          if (stop.asked()) return EXIT.interrupted
          if (options.json !== true && (await outbox.getHealth()).dispatcher === null) words('nobody delivers now: start the application, or hl7-outbox worker')
          return report.hasRefused ? EXIT.failed : EXIT.ok
        })
      }),
    ),
  'send export/*.hl7 --tag source=migration',
  'send capture.mllp --destination malaffi --hold --json > stored.jsonl',
)

async function read(file: string, bytesMax: number, importer: Importer, report: Report, stop: Stop): Promise<void> {
  const stream = file === '-' ? process.stdin : createReadStream(file, { highWaterMark: CHUNK })
  const splitter = new Splitter(bytesMax)
  const seen = { any: false }
  const take = async (pieces: ReturnType<Splitter['feed']>): Promise<void> => {
    for (const piece of pieces) {
      if (stop.asked()) return
      seen.any = true
      // What stands before it is told first, so that the list is in the order of the file.
      if (piece.kind === 'bad') {
        await importer.flush()
        await report.refused({ file, ...piece })
      } else if (typeOf(piece.bytes) === 'ACK') report.acknowledgements++
      else await importer.add({ file, position: piece.position, bytes: piece.bytes })
    }
  }
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      await take(splitter.feed(chunk))
      report.read(chunk.length)
      if (stop.asked()) break
    }
  } catch (error) {
    throw isOfTheSystem(error) ? unreadable(file, error) : error
  }
  if (!stop.asked()) await take(splitter.end())
  await importer.flush()
  if (!seen.any && !stop.asked()) await report.refused({ file, position: 0, code: 'NO_MESSAGE', what: 'there is no message in it' })
}

function isOfTheSystem(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}

function sizeOf(file: string): number | undefined {
  if (file === '-') return undefined
  try {
    const at = statSync(file)
    if (at.isDirectory()) throw new UsageError(`${file} is a folder`, `name its files: ${file}/*.hl7`)
    return at.isFile() ? at.size : undefined
  } catch (error) {
    throw error instanceof UsageError ? error : unreadable(file, error)
  }
}

/** The first Ctrl-C ends it after the batch at hand, with a summary; a second one at once, which loses nothing either. */
function interruption(): Stop {
  let asked = false
  const forget = (): void => {
    process.removeListener('SIGINT', ask)
    process.removeListener('SIGTERM', ask)
  }
  const ask = (): void => {
    asked = true
    forget()
    process.stdin.destroy()
  }
  process.on('SIGINT', ask)
  process.on('SIGTERM', ask)
  return { asked: () => asked, forget }
}

interface Stop {
  asked(): boolean
  forget(): void
}

/** What is told while it goes on, and at the end. */
class Report {
  acknowledgements = 0
  #stored = 0
  #there = 0
  #refused = 0
  #bytes = 0
  readonly #progress = new Progress()

  constructor(
    readonly json: boolean,
    readonly total: number | undefined,
  ) {}

  get hasRefused(): boolean {
    return this.#refused > 0
  }

  read(bytes: number): void {
    this.#bytes += bytes
    this.#progress.show(this.total === undefined ? undefined : this.#bytes / Math.max(1, this.total), (seconds) => `${this.#figures()}  ${count(Math.round((this.#stored + this.#there) / Math.max(0.001, seconds)))} a second`)
  }

  async stored({ file, position }: Found, { id, controlId, destination, status, duplicate }: { id: string; controlId: string; destination: string; status: string; duplicate: boolean }): Promise<void> {
    if (duplicate) this.#there++
    else this.#stored++
    if (this.json) await out(`${JSON.stringify({ file, position, id, controlId, destination, status, duplicate })}\n`)
  }

  async refused({ file, position, code, what }: Refused): Promise<void> {
    this.#refused++
    this.#progress.clear()
    await out(this.json ? `${JSON.stringify({ file, position, code, message: what })}\n` : `${clean(file)}:${position}: ${code} ${clean(what)}\n`)
  }

  async end(how: 'done' | 'interrupted' | 'stopped'): Promise<void> {
    this.#progress.clear()
    if (this.json) words(this.#figures())
    else await out(`${this.#figures()}\n`)
    if (how !== 'done') words(`${how}: run the same command again, and it goes on where it ended`)
  }

  #figures(): string {
    const left = this.acknowledgements === 0 ? '' : `, ${count(this.acknowledgements)} left out (acknowledgements)`
    return `${count(this.#stored)} stored, ${count(this.#there)} there already, ${count(this.#refused)} refused${left}`
  }
}
