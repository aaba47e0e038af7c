/** `alerts`: whether alerts arrive where they are configured to. */
import { testAlerts, type TestedWebhook } from '../../facade/index.js'
import { Argument, command, ends, examples } from '../command.js'
import { configuration } from '../open.js'
import { clean, out, outJson } from '../output.js'
import { EXIT, UsageError } from '../usage.js'

export const alerts = examples(
  command('alerts')
    .description('Send a test alert to each webhook of the configuration, signed as every alert, and say which took it. Opens no outbox. Ends with 0 if all took it, else 3.')
    .addArgument(new Argument('<what>', 'test: send a test alert to each webhook').choices(['test'] as const))
    .action(
      ends(async (_what, options) => {
        const tested = await testAlerts(configuration(options))
        if (tested.length === 0) throw new UsageError('the configuration has no webhooks', 'write them into `alerts.webhooks`; alerts.onAlert is a function of the application, and cannot be tried from here')
        await (options.json === true ? outJson({ webhooks: tested }) : out(tested.map(line).join('')))
        return tested.every(({ error }) => error === null) ? EXIT.ok : EXIT.degraded
      }),
    ),
  'alerts test --config /etc/clinic/hl7-outbox.config.json',
)

function line({ n, host, error, tookMs }: TestedWebhook): string {
  const what = `alerts.webhooks.${n}  ${clean(host)}  `
  if (error === null) return `${what}took it in ${tookMs} ms\n`
  return `${what}did not take it: ${error}${hint(error)}\n`
}

function hint(error: string): string {
  if (error === 'HTTP_401' || error === 'HTTP_403') return ' (is it the same secret on both sides?)'
  if (error === 'HTTP_404') return ' (is the path of the address right?)'
  if (error.startsWith('HTTP_3')) return ' (it answers with another address, which is not followed: write that one)'
  return ''
}
