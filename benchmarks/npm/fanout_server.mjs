// npm's socket.io as one of the servers of `fanout.py`: prints its port, then serves.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { serveClient: false });
io.on("connection", (socket) => {
  socket.on("join", (room) => {
    socket.join(room);
    socket.emit("joined", room);
  });
  socket.on("say", (text) => io.to("lab").emit("say", text));
});
http.listen(0, "127.0.0.1", () => console.log(http.address().port));
