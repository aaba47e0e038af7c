import { readFile, rm, writeFile } from 'node:fs/promises'

/** Refuses a data directory that another living process uses. A process that was killed leaves its mark: it is replaced. */
export async function claimDirectory(dataDir: string): Promise<() => Promise<void>> {
  const mark = `${dataDir}.pid`
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      await writeFile(mark, String(process.pid), { flag: 'wx' })
      return () => rm(mark, { force: true })
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') throw error
    }
    const owner = Number(await readFile(mark, 'utf8').catch(() => ''))
    // Our own pid in it: a container restarted, and every process there is number 1.
    if (owner > 0 && owner !== process.pid && isAlive(owner)) {
      throw Object.assign(new Error(`${dataDir} is in use by process ${owner}: PGlite serves one process; set DATABASE_URL for more`), {
        code: 'CLINIC_DATA_DIR_IN_USE',
      })
    }
    await rm(mark, { force: true })
  }
  throw new Error(`${mark} cannot be claimed`)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM' // it lives, under another user
  }
}
