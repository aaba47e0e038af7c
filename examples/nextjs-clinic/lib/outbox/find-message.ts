import { getMessage, type Message } from 'hl7-outbox'

/** The message, or null also for what is no id at all: to whoever asked in a URL both mean that there is no such thing. */
export async function findMessage(id: string): Promise<Message | null> {
  try {
    return await getMessage(id)
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_MESSAGE_ID') return null
    throw error
  }
}
