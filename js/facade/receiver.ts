/** The stand-in receiver, started inside this process; for tests and demonstrations, never for patients' data. */
import * as check from './arguments.js'
import { native } from './bind.js'

export interface RunningReceiver {
  /** `host:port` of its HTTP side, if it has one. */
  readonly http: string | null
  /** `host:port` of its MLLP side, if it has one. */
  readonly mllp: string | null
  stop(): Promise<void>
}

export async function startReceiver(config: object): Promise<RunningReceiver> {
  const { NativeReceiver } = native()
  const receiver = new NativeReceiver()
  const addresses = JSON.parse(await receiver.start(check.json(config, 'config'))) as { http: string | null; mllp: string | null }
  return { ...addresses, stop: () => receiver.stop() }
}
