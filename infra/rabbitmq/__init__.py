"""RabbitMQ: what a federation needs on a broker, and the links of its actors to it."""
