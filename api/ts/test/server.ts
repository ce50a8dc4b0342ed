// A server of its own for a test: the real program, on a free port, with a folder that is gone afterwards.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../../.."); // of the checkout; this file is run from dist/test

/** A running server. */
export interface Server {
  baseUrl: string;
  /** Ends it as an administrator would, and returns the exit code. */
  stop(): Promise<number | null>;
  /** Removes its folder. */
  remove(): void;
  /** Starts it again, on the same folder and port. */
  restart(): Promise<void>;
}

/** Starts a server with further flags. LODGE_BIN names a binary; without it one is built. */
export async function startServer(...flags: string[]): Promise<Server> {
  const work = mkdtempSync(join(tmpdir(), "lodge-ts-"));
  const binary = process.env["LODGE_BIN"] ?? build(work);
  const data = join(work, "data");
  let child: ChildProcess;
  let baseUrl = "";
  const start = async (address: string) => {
    child = spawn(binary, ["serve", "--data", data, "--addr", address, "--log-level", "error", ...flags], { stdio: ["ignore", "pipe", "inherit"] });
    if (child.stdout === null) {
      throw new Error("no output");
    }
    const lines = createInterface({ input: child.stdout });
    for await (const line of lines) {
      const found = /http:\/\/\S+/.exec(line);
      if (found !== null) {
        baseUrl = found[0];
        lines.on("line", () => undefined); // its last words
        return;
      }
    }
    throw new Error("the server ended before it served");
  };
  await start("127.0.0.1:0");
  return {
    get baseUrl() {
      return baseUrl;
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, "exit");
        child.kill("SIGTERM");
        await exited;
      }
      return child.exitCode;
    },
    remove: () => rmSync(work, { recursive: true, force: true }),
    restart: () => start(new URL(baseUrl).host),
  };
}

function build(work: string): string {
  const binary = join(work, "lodge");
  execFileSync("go", ["build", "-o", binary, "./cmd/lodge"], { cwd: root, stdio: "inherit" });
  return binary;
}
