/** `receiver`: the stand-in receiver, for tests and demonstrations. */
import { startReceiver } from '../../facade/index.js'
import { ends, examples, Option, plain } from '../command.js'
import { read } from '../open.js'
import { out, outJson } from '../output.js'
import { end } from '../signals.js'
import { EXIT, UsageError } from '../usage.js'

const HTTP_DEFAULT = '127.0.0.1:2575'

interface Options {
  http?: string | undefined
  mllp?: string | undefined
  bearer?: string | undefined
  behaviour?: string | undefined
  strict?: true | undefined
  keep?: string | undefined
  tlsCert?: string | undefined
  tlsKey?: string | undefined
}

export const receiver = examples(
  plain('receiver')
    .description('A stand-in receiver for tests and demonstrations, until a signal ends it. Never send it patients’ data. docs/receiver.md has its behaviours.')
    .option('--http <host:port>', `where it listens for HTTP (default: ${HTTP_DEFAULT}, unless --mllp is given)`)
    .option('--mllp <host:port>', 'where it listens for MLLP')
    .option('--bearer <token>', 'the token that it demands')
    .option('--behaviour <json>', 'how it answers')
    .option('--strict', 'refuses what breaks the rules of HL7 2.5.1')
    .addOption(new Option('--keep <what>', 'what it keeps of each message').choices(['all', 'counts'] as const))
    .option('--tls-cert <file>', 'its certificate, PEM')
    .option('--tls-key <file>', 'the key of its certificate, PEM')
    .action(
      ends(async (options) => {
        const running = await startReceiver(config(options))
        // Before anybody is told that it listens, and may end it.
        const { asked } = end()
        const scheme = options.tlsCert === undefined ? '' : 's'
        const urls = {
          http: running.http === null ? null : `http${scheme}://${running.http}/receive`,
          mllp: running.mllp === null ? null : `mllp${scheme}://${running.mllp}`,
        }
        await (options.json === true ? outJson({ ...urls, pid: process.pid }) : out(told(urls)))
        await asked
        await running.stop()
        return EXIT.ok
      }),
    ),
  'receiver',
  `receiver --mllp 127.0.0.1:2576 --behaviour '{"answer":"ca"}'`,
)

function told(urls: { http: string | null; mllp: string | null }): string {
  const lines = ['a stand-in receiver for tests; never send it patients’ data']
  if (urls.http !== null) lines.push(`http  ${urls.http}    (what it received: GET ${new URL('/received', urls.http).href})`)
  if (urls.mllp !== null) lines.push(`mllp  ${urls.mllp}`)
  return `${lines.join('\n')}\n`
}

function config(options: Options): object {
  const tls = certificates(options)
  return {
    http: options.http ?? (options.mllp === undefined ? HTTP_DEFAULT : null),
    ...(options.mllp === undefined ? {} : { mllp: options.mllp }),
    ...(options.bearer === undefined ? {} : { bearer: options.bearer }),
    ...(options.behaviour === undefined ? {} : { behaviour: json(options.behaviour) }),
    ...(options.strict === true ? { strict: true } : {}),
    ...(options.keep === undefined ? {} : { keep: options.keep }),
    ...(tls === undefined ? {} : { tls }),
  }
}

function certificates({ tlsCert: cert, tlsKey: key }: Options): { cert: string; key: string } | undefined {
  if (cert === undefined && key === undefined) return undefined
  if (cert === undefined || key === undefined) throw new UsageError('--tls-cert and --tls-key go together')
  return { cert: read(cert), key: read(key) }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError('--behaviour takes JSON')
  }
}
