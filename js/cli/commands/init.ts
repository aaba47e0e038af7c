/** `init`: a configuration and what starts the outbox, for the first day. */
import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { InvalidArgumentError } from 'commander'

import { ends, examples, Option, plain } from '../command.js'
import { PARTS, variable, type Part, type Setup } from '../init/files.js'
import { write } from '../init/write.js'
import { clean, out, outJson, words } from '../output.js'
import { EXIT, UsageError } from '../usage.js'

const PLACEHOLDER = 'https://hl7.example/receive'
const ALL = Object.keys(PARTS) as Part[]

export const init = examples(
  plain('init')
    .description(
      'Write hl7-outbox.config.json, the start of the outbox in Next.js (instrumentation.ts), and for a worker of its own a PM2 ecosystem file, a systemd unit and a Windows start script. A file that is there is left alone, unless --force is given; then the command ends with 1.',
    )
    .argument('[folder]', 'the application', '.')
    .addOption(new Option('--only <parts>', `some of ${ALL.join(',')}`).argParser(parts).default(ALL, 'all'))
    .addOption(new Option('--path <file>', 'the outbox file, absolute, on a local disk, outside the deployment folder').default(usualPath(), 'in /var/lib/hl7-outbox, on Windows in ProgramData'))
    .option('--destination <name>', 'the name of the receiver', 'malaffi')
    .option('--url <url>', 'where it takes messages', PLACEHOLDER)
    .option('--force', 'overwrite')
    .action(
      ends(async (given, options) => {
        const folder = resolve(given)
        if (!existsSync(folder) || !statSync(folder).isDirectory()) throw new UsageError(`there is no folder ${given}`)
        if (!/^[a-z0-9][a-z0-9._-]*$/i.test(options.destination)) throw new UsageError('--destination takes letters, digits, dots, hyphens and underscores')
        if (!/^(https?|mllps?):\/\/./.test(options.url)) throw new UsageError('--url begins with https://, http://, mllps:// or mllp://')
        const setup: Setup = { folder, path: options.path, destination: options.destination, url: options.url, hasSource: existsSync(join(folder, 'src')) }
        const files = options.only.map((part) => PARTS[part](setup))
        const done = files.map(({ name, text }) => ({ file: name, result: write(join(folder, name), text, options.force === true) }))
        if (options.json === true) await outJson(done)
        else await out(done.map(({ file, result }) => `${result.padEnd(16)} ${clean(file)}\n`).join(''))
        const left = done.some(({ result }) => result === 'left alone')
        if (options.json !== true) words(`\n${next(options.only, setup, left)}`)
        return left ? EXIT.failed : EXIT.ok
      }),
    ),
  'init --url https://hl7.clinic.example/receive --path /var/lib/clinic/outbox.db',
  'init --only config,systemd --destination lab --url mllps://lab.example:2575',
)

function parts(value: string): Part[] {
  const named = value.split(',').map((name) => ALL.find((part) => part === name))
  if (!named.every((part) => part !== undefined)) throw new InvalidArgumentError(`It takes some of ${ALL.join(',')}.`)
  return named
}

function usualPath(): string {
  return process.platform === 'win32' ? join(process.env.ProgramData ?? 'C:\\ProgramData', 'hl7-outbox', 'outbox.db') : '/var/lib/hl7-outbox/outbox.db'
}

/** What a person does now. */
function next(only: readonly Part[], { path, destination, url }: Setup, left: boolean): string {
  const steps = [
    `make the folder of ${clean(path)}, for the application's user only`,
    ...(url === PLACEHOLDER && only.includes('config') ? ['write the receiver’s address and the outbox file’s place into the configuration'] : []),
    ...(only.includes('config') ? [`set HL7_OUTBOX_CONFIG to the configuration${/^https?:/.test(url) ? `, and ${variable(destination)} to the receiver's token` : ''}`] : []),
    ...(only.includes('next') ? ["wrap the configuration in next.config: export default withHl7Outbox({ … }), from 'hl7-outbox/next'"] : []),
    ...(only.some((part) => part === 'pm2' || part === 'systemd' || part === 'windows') ? ['if a worker delivers: start it, and the application with HL7_OUTBOX_DISPATCH=off; else the application delivers itself, and those files can go'] : []),
    'look: hl7-outbox status',
  ]
  const heading = left ? 'some files were there and differ; --force overwrites them\n' : ''
  return `${heading}next\n${steps.map((step, n) => `  ${n + 1}. ${step}`).join('\n')}`
}
