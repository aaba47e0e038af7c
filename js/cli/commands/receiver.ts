/** `receiver`: the stand-in receiver, for tests and demonstrations. */
import { startReceiver } from '../../facade/index.js'
import { read } from '../open.js'
import { only, type CommandLine, type Values } from '../options.js'
import { end } from '../signals.js'
import { EXIT, UsageError } from '../usage.js'

const HTTP_DEFAULT = '127.0.0.1:2575'

export async function receiver(line: CommandLine): Promise<number> {
  only(line, ['http', 'mllp', 'bearer', 'behaviour', 'strict', 'keep', 'tls-cert', 'tls-key'], 0)
  const running = await startReceiver(config(line.values))
  // Before anybody is told that it listens, and may end it.
  const { asked } = end()
  const scheme = line.values['tls-cert'] === undefined ? '' : 's'
  const urls = {
    http: running.http === null ? null : `http${scheme}://${running.http}/receive`,
    mllp: running.mllp === null ? null : `mllp${scheme}://${running.mllp}`,
  }
  process.stdout.write(line.values.json === true ? `${JSON.stringify({ ...urls, pid: process.pid })}\n` : words(urls))
  await asked
  await running.stop()
  return EXIT.ok
}

function words(urls: { http: string | null; mllp: string | null }): string {
  const lines = ['a stand-in receiver for tests; never send it patients’ data']
  if (urls.http !== null) lines.push(`http  ${urls.http}    (what it received: GET ${new URL('/received', urls.http).href})`)
  if (urls.mllp !== null) lines.push(`mllp  ${urls.mllp}`)
  return `${lines.join('\n')}\n`
}

function config(values: Values): object {
  const tls = certificates(values)
  return {
    http: values.http ?? (values.mllp === undefined ? HTTP_DEFAULT : null),
    ...(values.mllp === undefined ? {} : { mllp: values.mllp }),
    ...(values.bearer === undefined ? {} : { bearer: values.bearer }),
    ...(values.behaviour === undefined ? {} : { behaviour: json(values.behaviour) }),
    ...(values.strict === true ? { strict: true } : {}),
    ...(values.keep === undefined ? {} : { keep: values.keep }),
    ...(tls === undefined ? {} : { tls }),
  }
}

function certificates(values: Values): { cert: string; key: string } | undefined {
  const [cert, key] = [values['tls-cert'], values['tls-key']]
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
