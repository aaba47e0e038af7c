/** `show`: everything about one message; its content only on demand, and that is recorded. */
import type { Attempt, Message, Outbox } from '../../facade/index.js'
import { ends, examples, recorded } from '../command.js'
import { layOut } from '../hl7/layout.js'
import { statusColour } from '../message.js'
import { by, withOutbox } from '../open.js'
import { clean, out, outJson, paint } from '../output.js'
import { EXIT, UsageError } from '../usage.js'

/** What a look inside gives. */
interface Revealed {
  readonly content: Uint8Array | null
  readonly answers: Map<number, Uint8Array>
}

export const show = examples(
  recorded('show')
    .description('One message: where it stands, what it waits for, and its attempts. Its content and the answers are patients’ data and shown only with --reveal, which needs a --reason and is recorded before anything is shown.')
    .argument('<id>', 'its id, or its MSH-10 with --control-id')
    .option('--control-id', 'the argument is an MSH-10')
    .option('--destination <name>', 'with --control-id: the one for this destination')
    .option('--reveal', 'also the segments and the answers')
    .option('--raw', 'with --reveal: only the message, byte for byte, for a file')
    .action(
      ends(async (id, options) => {
        const { reveal = false, raw = false } = options
        if (reveal && (options.reason ?? '') === '') throw new UsageError('--reveal needs a --reason', 'say why you look: --reason "answer to the hospital’s question"')
        if (raw && !reveal) throw new UsageError('--raw shows content: it needs --reveal')
        if (options.destination !== undefined && options.controlId !== true) throw new UsageError('--destination goes with --control-id')
        return withOutbox(options, async (outbox) => {
          const ref = options.controlId === true ? { controlId: id, ...(options.destination === undefined ? {} : { destination: options.destination }) } : id
          const message = await outbox.getMessage(ref)
          if (message === null) throw new Error(`there is no message ${clean(id)}`)
          const attempts = await outbox.getAttempts(message.id)
          if (!reveal) {
            await (options.json === true ? outJson({ message, attempts }) : out(described(message, attempts) + hidden(message)))
            return EXIT.ok
          }
          const revealed = await look(outbox, message, raw ? [] : attempts, by(options))
          if (raw) {
            if (revealed.content === null) throw new Error('its content was purged')
            await out(revealed.content)
          } else if (options.json === true) await outJson(asJson(message, attempts, revealed))
          else await out(described(message, attempts, revealed.answers) + contents(revealed))
          return EXIT.ok
        })
      }),
    ),
  'show 0193e5a0-0000-7000-8000-000000000000',
  'show --control-id MSG00042 --destination malaffi',
  'show 0193e5a0-0000-7000-8000-000000000000 --reveal --reason "refused, to be corrected"',
  'show 0193e5a0-0000-7000-8000-000000000000 --reveal --raw --reason "to be corrected" > message.hl7',
)

async function look(outbox: Outbox, message: Message, attempts: Attempt[], who: { actor: string; reason?: string }): Promise<Revealed> {
  const content = await outbox.getMessageContent(message.id, who)
  const answers = new Map<number, Uint8Array>()
  for (const { n } of attempts) {
    const answer = await outbox.getAnswer(message.id, n, who)
    if (answer !== null && answer.length > 0) answers.set(n, answer)
  }
  return { content, answers }
}

function described(message: Message, attempts: Attempt[], answers = new Map<number, Uint8Array>()): string {
  const { failure } = message
  const codes = failure === null ? '' : [failure.code, failure.reason, ...(failure.errCodes ?? []).map((code) => `ERR ${code}`)].join(', ')
  const facts: [string, string | null | undefined][] = [
    ['status', paint(statusColour(message) ?? 'bold', message.status) + (message.inFlight ? ', in flight' : '')],
    ['why', clean(codes)],
    ['waiting for', message.waitingFor === null ? null : message.waitingFor + (message.blockedBy === null ? '' : ` (${message.blockedBy})`)],
    ['due', message.status === 'PENDING' ? message.dueAt : null],
    ['warning', message.warning === null ? null : clean(message.warning)],
    ['marks', [message.possibleDuplicate ? 'possible duplicate' : '', message.overtaken ? 'overtaken' : '', message.priority === 'urgent' ? 'urgent' : ''].filter((mark) => mark !== '').join(', ')],
    ['type', clean(message.messageType)],
    ['MSH-10', clean(message.controlId)],
    ['destination', clean(message.destination)],
    ['tags', clean(Object.entries(message.tags).map(([key, value]) => `${key}=${value}`).join(' '))],
    ['replaces', message.replaces],
    ['replaced by', message.replacedBy],
    ['stored', message.createdAt],
    ['sent', message.sentAt],
    ['acknowledged', message.acknowledgedAt],
    ['purged', message.purgedAt],
    ['attempts', `${message.attempts} counted of ${message.tries}`],
  ]
  const lines = facts.filter(([, value]) => value !== null && value !== undefined && value !== '').map(([name, value]) => `${name.padEnd(12)} ${value ?? ''}\n`)
  const timeline = attempts.map((attempt) => told(attempt) + answerOf(answers.get(attempt.n)))
  return `${paint('bold', message.id)}\n${lines.join('')}${timeline.length === 0 ? '' : `\n${timeline.join('')}`}`
}

function told(attempt: Attempt): string {
  const parts = [
    attempt.outcome ?? 'in flight',
    attempt.row === null ? '' : `(${attempt.row})`,
    attempt.code ?? '',
    attempt.httpStatus === undefined ? '' : `HTTP ${attempt.httpStatus}`,
    attempt.ackCode === undefined ? '' : `MSA-1 ${attempt.ackCode}`,
    ...(attempt.errCodes ?? []).map((code) => `ERR ${code}`),
    attempt.bytesSent === undefined ? '' : `${attempt.bytesSent} bytes`,
    attempt.counted ? '' : 'not counted',
    attempt.manual ? 'by hand' : '',
  ]
  const took = attempt.endedAt === null ? '' : ` ${Date.parse(attempt.endedAt) - Date.parse(attempt.startedAt)} ms`
  return `#${String(attempt.n).padEnd(3)} ${attempt.startedAt}${took}  ${clean(parts.filter((part) => part !== '').join(' '))}\n`
}

function answerOf(answer: Uint8Array | undefined): string {
  return answer === undefined ? '' : layOut(answer).replaceAll(/^/gm, '     ').trimEnd() + '\n'
}

function hidden(message: Message): string {
  return message.purgedAt === undefined ? '\ncontent and answers are hidden; --reveal --reason TEXT shows them, and is recorded\n' : ''
}

function contents({ content }: Revealed): string {
  return content === null ? '\nits content was purged\n' : `\n${layOut(content)}`
}

/** Bytes as text where they are UTF-8, else in base64, as JSON can hold them. */
function field(name: string, bytes: Uint8Array): Record<string, string> {
  const buffer = Buffer.from(bytes)
  const text = buffer.toString('utf8')
  return Buffer.from(text, 'utf8').equals(buffer) ? { [name]: text } : { [`${name}Base64`]: buffer.toString('base64') }
}

function asJson(message: Message, attempts: Attempt[], { content, answers }: Revealed): object {
  const withAnswers = attempts.map((attempt) => {
    const answer = answers.get(attempt.n)
    return answer === undefined ? attempt : { ...attempt, ...field('answer', answer) }
  })
  return { message, attempts: withAnswers, ...(content === null ? { content: null } : field('content', content)) }
}
