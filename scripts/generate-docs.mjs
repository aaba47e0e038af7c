// Writes docs/errors.md and docs/outcomes.md from the tables in the code, so that neither can say something else.
//   node scripts/generate-docs.mjs            writes them
//   node scripts/generate-docs.mjs --check    changes nothing; ends with 1 if one of them is not what would be written
// Needs the built package: `npm run build`.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Codes of the loader: it raises them when there is no native module to ask. */
const OF_THE_LOADER = [
  {
    code: 'ERR_BINARY_UNLOADABLE',
    fault: 'host',
    retry: false,
    meaning: 'The native binary for this platform is there, and the system cannot load it; the message says why.',
    remedy: 'Delete node_modules and install again on the machine that runs it. If the message names GLIBC, use a newer distribution, or build from source.',
  },
  {
    code: 'ERR_BINARY_VERSION',
    fault: 'host',
    retry: false,
    meaning: 'The package and its binary package come from two releases.',
    remedy: 'Delete node_modules and install again.',
  },
]

/** Pages by path, as they should be. */
export function pages() {
  const { errorCodes, outcomeRows } = createRequire(import.meta.url)(join(root, 'dist', 'facade', 'index.js'))
  const codes = [...OF_THE_LOADER, ...errorCodes()]
  assertComplete(codes)
  return new Map([
    ['docs/errors.md', errorsPage(codes)],
    ['docs/outcomes.md', outcomesPage(outcomeRows())],
  ])
}

/** Every code that the TypeScript names must be in the table. */
function assertComplete(codes) {
  const known = new Set(codes.map(({ code }) => code))
  const folder = join(root, 'js')
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.ts'))
  const named = files.flatMap((name) => readFileSync(join(folder, name), 'utf8').match(/\bERR_[A-Z0-9_]*[A-Z0-9]\b/g) ?? [])
  const unknown = [...new Set(named)].filter((code) => !known.has(code))
  if (unknown.length > 0) throw new Error(`js/ raises codes that no table knows: ${unknown.join(', ')}`)
}

const WRITTEN_BY = '<!-- Written by scripts/generate-docs.mjs from the tables in the code. Change those, then run it again. -->'

function errorsPage(codes) {
  const isOfHl7 = ({ code }) => code.startsWith('ERR_HL7_')
  const row = ({ code, fault, retry, meaning, remedy }) => [`\`${code}\``, fault, retry ? 'yes' : 'no', sentence(meaning), sentence(remedy)]
  const heading = ['code', 'whose', 'again', 'what happened', 'what to do']
  return `# Errors

${WRITTEN_BY}

Everything that fails rejects with an \`Hl7OutboxError\`. Its \`code\` is stable and is what a program should compare; \`message\` is
for people, and \`hint\` is the last column of these tables. No error holds content of a message or of an answer.

- **whose**: \`caller\`, the program that called (its message, options or configuration); \`host\`, the machine (disk, rights,
  another process); \`outbox\`, a defect of this package.
- **again**: whether the same call can succeed later although the caller changed nothing.

\`ERR_ENQUEUE_TIMEOUT\` and \`ERR_STORE_FAILED\` leave open whether the message is on disk. Repeat the same bytes when the outbox is
well again: the same MSH-10 with the same bytes is stored once.

Commands give the codes \`ERR_IN_FLIGHT\`, \`ERR_STATE\`, \`ERR_MESSAGE_ID\` and \`OVERTAKEN\` also in \`unchanged\`, for each message
that they left alone.

## Of the package, the configuration and the file

${table(heading, codes.filter((each) => !isOfHl7(each)).map(row))}

## Of the message

Raised by \`enqueueHl7\` for bytes that could not be sent as they are. The error also has \`segment\`, \`field\` and \`position\` (a byte
offset in what was passed). Nothing was stored.

${table(heading, codes.filter(isOfHl7).map(row))}
`
}

function outcomesPage(rows) {
  const list = (outcomes) => outcomes.map((outcome) => `\`${outcome}\``).join(', ')
  const row = ({ name, rule, meaning, outcome, overrides, example }) => [
    `\`${name}\``,
    String(rule),
    `${meaning}<br>\`${example}\``,
    `\`${outcome}\``,
    list(overrides.filter((other) => other !== outcome)) || '–',
  ]
  return `# Outcomes

${WRITTEN_BY}

An attempt ends in something that was seen: a status, an acknowledgement, a broken connection, nothing. The first row that fits
decides what it comes to. \`getAttempts\` gives the row's name with each attempt.

| outcome | what follows | an attempt is spent |
|---|---|---|
| \`accepted\` | ACKNOWLEDGED, if an HL7 acknowledgement said so; otherwise SENT | yes |
| \`rejected\` | FAILED at once: the receiver will not take this message, however often it is sent | yes |
| \`retry\` | sent again by the schedule; FAILED after \`maxAttempts\` | yes |
| \`indeterminate\` | it may have arrived; the same bytes are sent again by the schedule, marked \`possibleDuplicate\` for you and not on the wire; FAILED after \`maxIndeterminate\` | yes |
| \`unreachable\` | the destination rests and is probed after 1, 2, 4 … 60 s | no |
| \`throttled\` | the destination rests as long as \`Retry-After\` says (1 s to 1 h), else as for \`unreachable\` | no |
| \`misconfigured\` | credentials, certificate or address are wrong, and the message is not to blame: the destination rests, and is probed every 15 minutes or when a person retries | no |

How the answer is read:

- An HL7 acknowledgement for this message (MSA-2 is its MSH-10) outweighs the HTTP status: 200 with AE is a refusal.
- Of several ERR segments a permanent code beats one that may pass. ERR-4 \`I\` and \`W\` decide nothing.
- What cannot be understood is never taken for acceptance.
- The forms before 2.5 are read too: the code in ERR-1, the words in MSA-3.

## The table

Under each meaning stands an example, which a test judges: a status with the headers that matter and the body, the segments of a
body that came with 200 (segment ends are written \`\\r\`, and the answer's MSH is left out where it says nothing), or what happened
instead of an answer. The message's MSH-10 is \`000TEST42\`. The last column says what a destination's \`outcomes\` may
turn the row into; anything else is refused when the configuration is read. A row \`http-3xx\`, \`http-4xx\` or \`http-5xx\` can also be
overridden for one status (\`http-409\`), which goes before the row.

${table(['row', 'rule', 'what was seen', 'outcome', 'may be overridden to'], rows.map(row))}

One more row stands in the records of attempts and cannot be overridden: \`taken-over\`, \`indeterminate\`. The process that was
sending ended before it could record what came of the attempt.

A refusal that is overridden to \`accepted\` makes the message SENT, never ACKNOWLEDGED, and leaves a warning.

\`\`\`json
{
  "destinations": {
    "malaffi": {
      "url": "https://hl7.example/receive",
      "outcomes": { "http-409": "accepted", "ar": "rejected" }
    }
  }
}
\`\`\`

## Codes of an attempt

\`attempt.code\` and \`failure.code\` name what decided, in one word: \`HTTP_<status>\`, \`ACK_<MSA-1>\` or \`ACK_<MSA-1>_<error code>\`
(\`ACK_AE_101\`), \`ACK_ID_DIFFERS\`, \`ACK_CODE_UNKNOWN\`, \`ACK_UNPARSABLE\`, \`TAKEN_OVER\`, \`BODY_DAMAGED\`, or the fault of the
connection in capitals (\`CONNECT_REFUSED\`, \`ANSWER_TIMEOUT\`, \`SERVER_CERTIFICATE_REFUSED\`).

## Warnings

\`message.warning\` of a message that was accepted all the same:

| warning | why somebody should look |
|---|---|
| \`ack-id-cut\` | the receiver echoed only the first 20 bytes of MSH-10 |
| \`ack-id-empty\` | the receiver left MSA-2 empty |
| \`receiver-warned\` | the acknowledgement carries errors of severity I or W, or errors beside an AA |
| \`application-ack-missing\` | MSH-16 asked for an application acknowledgement, and only the commit acknowledgement came |
| \`receiver-had-it\` | the receiver knew the control id already: an attempt in doubt had arrived |
| \`http-status-disagrees\` | the acknowledgement accepted, the HTTP status did not |
| \`accepted-by-override\` | a destination's \`outcomes\` made it so |
| \`no-patient-id\` | there is no PID-3, so the message has a lane of its own |
| \`no-ordering-field\` | the field of \`orderBy\` is empty, so the message has a lane of its own |
`
}

function table(heading, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(heading), `|${heading.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

/** The words of the tables begin in lower case where they continue a sentence; here they stand alone. */
function sentence(words) {
  const ended = /[.!?]$/.test(words) ? words : `${words}.`
  return ended.charAt(0).toUpperCase() + ended.slice(1)
}

function main() {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
  let outdated = 0
  for (const [path, text] of pages()) {
    const file = join(root, path)
    let present = null
    try {
      present = readFileSync(file, 'utf8')
    } catch (error) {
      if (error.code !== 'ENOENT') throw error
    }
    if (present === text) continue
    if (values.check) {
      outdated++
      console.error(`${path} is not what the tables say; run \`node scripts/generate-docs.mjs\``)
    } else {
      writeFileSync(file, text)
      console.error(`${path} written`)
    }
  }
  process.exitCode = outdated === 0 ? 0 : 1
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) main()
