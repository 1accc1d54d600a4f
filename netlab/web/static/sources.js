// Where runs come from: the server of `netlab web`, or the kernel behind a notebook's widget. Both answer the same questions.

/** What the other side said was wrong, in one line. */
export class SourceError extends Error {}

/** The server that the page came from. */
export class HttpSource {
  silence = "netlab web has not answered yet";

  async run(script) {
    return (await this._post("/bench/run", script)).json();
  }

  async packet(script, over, packet) {
    return (await this._post("/bench/packet", { script, over, packet })).json();
  }

  async capture(script, over) {
    return (await this._post("/bench/capture", { script, over })).arrayBuffer();
  }

  async _post(path, body) {
    let answer;
    try {
      answer = await fetch(path, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
      });
    } catch {
      throw new SourceError("netlab web does not answer; is it still running?");
    }
    if (answer.ok) return answer;
    const said = await answer.json().catch(() => ({}));
    throw new SourceError(said.error ?? `netlab web answers ${answer.status}`);
  }
}

/** The Python kernel of a notebook, through the widget's messages. */
export class WidgetSource {
  silence = "the kernel has not answered yet: another cell is at work, or it was restarted (then run this cell again)";

  constructor(model) {
    this._model = model;
    this._asked = new Map();
    this._last = 0;
    model.on("msg:custom", (message) => this._answered(message));
  }

  async run(script) {
    return (await this._ask({ ask: "run", script })).timeline;
  }

  async packet(script, over, packet) {
    return (await this._ask({ ask: "packet", script, over, packet })).packet;
  }

  async capture(script, over) {
    const { capture } = await this._ask({ ask: "capture", script, over });
    return Uint8Array.from(atob(capture), (letter) => letter.charCodeAt(0)).buffer;
  }

  _ask(question) {
    this._last += 1;
    const n = this._last;
    return new Promise((resolve, reject) => {
      this._asked.set(n, { resolve, reject });
      this._model.send({ ...question, n });
    });
  }

  _answered({ n, error, ...answer }) {
    const asked = this._asked.get(n);
    this._asked.delete(n);
    if (error) asked?.reject(new SourceError(error));
    else asked?.resolve(answer);
  }
}
