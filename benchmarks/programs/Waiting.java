import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Waits for every message and publishes it with a field more, with Confluent's parallel-consumer: order per key, 100
 * threads, a commit every second, after the response is acknowledged. Runs until SIGTERM.
 *
 * <p>java Waiting BOOTSTRAP SOURCE TARGET GROUP AtLeastOnce LINGER_MS WAIT_MS
 */
public final class Waiting {
  private static final byte[] FIELD = ",\"result\":0}".getBytes(StandardCharsets.UTF_8);

  public static void main(String[] args) {
    long wait = Long.parseLong(args[6]);
    var consumer = new KafkaConsumer<>(consuming(args), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    var producer = new KafkaProducer<>(producing(args), new ByteArraySerializer(), new ByteArraySerializer());
    var options =
        ParallelConsumerOptions.<byte[], byte[]>builder()
            .ordering(ProcessingOrder.KEY)
            .maxConcurrency(100)
            .commitMode(CommitMode.PERIODIC_CONSUMER_ASYNCHRONOUS)
            .commitInterval(Duration.ofSeconds(1))
            .consumer(consumer)
            .producer(producer)
            .build();
    var processor = ParallelStreamProcessor.createEosStreamProcessor(options);
    Runtime.getRuntime().addShutdownHook(new Thread(processor::close));
    processor.subscribe(List.of(args[1]));
    processor.pollAndProduce(
        context -> {
          pause(wait);
          var record = context.getSingleConsumerRecord();
          return new ProducerRecord<>(args[2], record.key(), withField(record.value()));
        });
  }

  /** Cheaper than decoding and encoding JSON, which the others do. */
  private static byte[] withField(byte[] value) {
    byte[] result = java.util.Arrays.copyOf(value, value.length - 1 + FIELD.length);
    System.arraycopy(FIELD, 0, result, value.length - 1, FIELD.length);
    return result;
  }

  private static void pause(long milliseconds) {
    try {
      Thread.sleep(milliseconds);
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
  }

  private static Properties consuming(String[] args) {
    var properties = new Properties();
    properties.put("bootstrap.servers", args[0]);
    properties.put("group.id", args[3]);
    properties.put("auto.offset.reset", "earliest");
    properties.put("enable.auto.commit", "false");
    properties.put("isolation.level", "read_committed");
    return properties;
  }

  private static Properties producing(String[] args) {
    var properties = new Properties();
    properties.put("bootstrap.servers", args[0]);
    properties.put("linger.ms", args[5]);
    properties.put("batch.size", "1000000");
    properties.put("enable.idempotence", "true");
    properties.put("acks", "all");
    return properties;
  }
}
